"""A study: a TOML file that names a trial, its settings, a grid of them, and seeds.

    trial = "prune_lab.experiments.trials:trial"
    seeds = [0, 1, 2, 3, 4]

    [settings]
    epochs = 12

    [grid]
    recipe = ["one-shot", "gradual"]
    sparsity = [0.9, 0.95]

A trial is a function in a module that can be imported, ``trial(seed, **settings)``, which returns
JSON values by name. It draws nothing at random but by its seed. Whatever stands in the file is
looked at before anything starts: names and types by the function's own signature, and values by
the function beside it whose name begins with ``check_``, ``check_trial(**settings)``, if there is
one. That raises ValueError with a sentence that begins with the name of the setting.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import itertools
import json
import re
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prune_lab.experiments import records
from prune_lab.experiments.records import StudyError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEYS = ("trial", "seeds", "settings", "grid")
_KINDS = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}
_LARGEST_SEED = 2**32 - 1  # numpy's


@dataclass(frozen=True)
class Trial:
    """One call of a study's function: its name, all its settings, and the seed."""

    name: str
    settings: dict[str, Any]
    seed: int

    @property
    def key(self) -> str:
        """The same as that of its record."""
        return records.key(self.name, self.settings, self.seed)


@dataclass(frozen=True)
class Study:
    """What a study's file asks for.

    Attributes:
        path: the file; the records lie beside it, with the ending ``.jsonl``.
        trials: all of them: the product of the grid, each with every seed.
    """

    path: Path
    trials: list[Trial]

    @property
    def records(self) -> Path:
        """Where the records lie."""
        return self.path.with_suffix(".jsonl")


def load(path: Path | str) -> Study:
    """Read a study and check all of it; nothing is run.

    Modules are looked for in the study's own folder too.

    Raises StudyError for anything wrong in it: file, line and key are named.
    """
    if Path(path).suffix != ".toml":
        raise StudyError(f"a study is a file that ends in .toml, and not {path}")
    source = _Source.read(Path(path))
    for word in source.values:
        if word not in _KEYS:
            raise source.wrong((word,), f"unknown key {word!r}{_nearest(word, _KEYS)}")
    name: Any = source.values.get("trial")
    if name is None:
        raise StudyError(f"{path}: the key 'trial' is missing; it names package.module:function")
    function = _function(source, name)
    seeds = _seeds(source)
    fixed, grid = _table(source, "settings"), _table(source, "grid")
    _must_fit(source, function, fixed, grid)
    trials = []
    for chosen in itertools.product(*grid.values()):
        bound = inspect.signature(function).bind(
            seed=0, **fixed, **dict(zip(grid, chosen, strict=True))
        )
        bound.apply_defaults()
        settings = _flat(function, bound.arguments)
        _must_be_possible(source, function, settings)
        trials += [Trial(name, settings, seed) for seed in seeds]
    return Study(Path(path), trials)


def function_of(name: str, folder: Path) -> Callable[..., Any]:
    """Import ``package.module:function``; the module may lie in `folder`."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    module, _, function = name.partition(":")
    imported = importlib.import_module(module)
    beside = folder / f"{module.replace('.', '/')}.py"
    if beside.exists() and not beside.samefile(imported.__file__ or beside.parent):
        raise ImportError(
            f"{module} is another module here, {imported.__file__}; give {beside.name} a name of "
            "its own, or begin a new Python"
        )
    found: Callable[..., Any] = getattr(imported, function)
    return found


@dataclass(frozen=True)
class _Source:
    """A TOML file that is read, and where in it each key stands."""

    path: Path
    text: str
    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> _Source:
        try:
            text = path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
        except OSError as error:
            raise StudyError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise StudyError(f"{path} is no text in UTF-8: {error.reason}") from None
        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            shown = f": {text.splitlines()[int(line[1]) - 1].strip()}" if line else ""
            raise StudyError(f"{path} is not TOML, {error}{shown}") from None

    def wrong(self, keys: tuple[str, ...], why: str) -> StudyError:
        """Say what is wrong with a key, given as the way to it."""
        return StudyError(f"{self.path}, line {self.line(keys)}, {'.'.join(keys)}: {why}")

    def line(self, keys: tuple[str, ...]) -> int:
        """The line on which a key stands.

        The shortest beginning of the file that is TOML and has the key ends with its value, and
        the longest one before it that is TOML ends above it. No form of TOML escapes this.
        """
        lines = self.text.splitlines(keepends=True)
        above = 0
        for number in range(1, len(lines) + 1):
            try:
                found: Any = tomllib.loads("".join(lines[:number]))
            except tomllib.TOMLDecodeError:
                continue
            for name in keys:
                found = found.get(name) if isinstance(found, dict) else None
            if found is not None:
                break
            above = number
        return above + 1


def _function(source: _Source, name: Any) -> Callable[..., Any]:
    if not isinstance(name, str) or not re.fullmatch(r"\w+(\.\w+)*:\w+", name):
        raise source.wrong(("trial",), f"must be package.module:function, but is {name!r}")
    try:
        function = function_of(name, source.path.resolve().parent)
    except Exception as error:  # a module may raise anything
        raise source.wrong(
            ("trial",), f"cannot import {name}: {type(error).__name__}: {error}"
        ) from error
    parameters = inspect.signature(function).parameters if callable(function) else {}
    if "seed" not in parameters:
        raise source.wrong(("trial",), f"{name} is no function of a seed")
    return function


def _seeds(source: _Source) -> list[int]:
    seeds = source.values.get("seeds")
    if seeds is None:
        raise StudyError(f"{source.path}: the key 'seeds' is missing, such as seeds = [0, 1, 2]")
    if not isinstance(seeds, list) or not seeds:
        raise source.wrong(("seeds",), f"must be a list of whole numbers, but is {seeds!r}")
    for seed in seeds:
        if type(seed) is not int or not 0 <= seed <= _LARGEST_SEED:
            raise source.wrong(
                ("seeds",), f"a seed is a whole number from 0 to 2**32 - 1, but got {seed!r}"
            )
    _must_differ(source, ("seeds",), seeds)
    return seeds


def _table(source: _Source, name: str) -> dict[str, Any]:
    table = source.values.get(name, {})
    if not isinstance(table, dict):
        raise source.wrong((name,), f"must be a table, [{name}], but is {table!r}")
    for key, value in table.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise source.wrong((name, key), f"cannot be written as JSON: {value}") from None
        if name == "grid":
            if not isinstance(value, list) or not value:
                raise source.wrong((name, key), f"must be a list of values, but is {value!r}")
            _must_differ(source, (name, key), value)
    return table


def _must_differ(source: _Source, keys: tuple[str, ...], values: list[Any]) -> None:
    written = [json.dumps(value, sort_keys=True) for value in values]
    for value in written:
        if written.count(value) > 1:
            raise source.wrong(keys, f"{value} stands in it twice")


def _must_fit(
    source: _Source, function: Callable[..., Any], fixed: dict[str, Any], grid: dict[str, Any]
) -> None:
    """Names and types of the settings, by the function's signature."""
    parameters = inspect.signature(function).parameters
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [
        p.name for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    hints = typing.get_type_hints(function)
    for table, key, values in _given(fixed, grid):
        if key == "seed":
            raise source.wrong((table, key), "seeds have a list of their own, seeds = [0, 1, 2]")
        if table == "grid" and key in fixed:
            raise source.wrong((table, key), "stands in [settings] as well")
        if key not in known and not any_name:
            raise source.wrong((table, key), f"unknown setting {key!r}{_nearest(key, known)}")
        kind = hints.get(key)
        for value in values:
            if kind in _KINDS and not _is(value, kind):
                raise source.wrong((table, key), f"must be {_KINDS[kind]}, but got {value!r}")
    for parameter in parameters.values():
        needed = parameter.default is parameter.empty and parameter.name in known
        if needed and parameter.name not in {"seed", *fixed, *grid}:
            raise source.wrong(
                ("trial",), f"needs {parameter.name!r}; give it in [settings] or [grid]"
            )


def _given(fixed: dict[str, Any], grid: dict[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    yield from (("settings", key, [value]) for key, value in fixed.items())
    yield from (("grid", key, values) for key, values in grid.items())


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def _flat(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The settings by name, those that a ``**settings`` took in too, without the seed."""
    settings: dict[str, Any] = {}
    for name, value in arguments.items():
        if inspect.signature(function).parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            settings |= value
        elif name != "seed":
            settings[name] = value
    return settings


def _must_be_possible(
    source: _Source, function: Callable[..., Any], settings: dict[str, Any]
) -> None:
    check = getattr(sys.modules[function.__module__], f"check_{function.__name__}", None)
    if check is None:
        return
    try:
        check(**settings)
    except (ValueError, TypeError) as error:
        word = re.match(r"\w*", str(error))
        key = word[0] if word else ""
        for table in ("settings", "grid"):
            if key in source.values.get(table, {}):
                raise source.wrong((table, key), str(error)) from None
        raise source.wrong(("trial",), str(error)) from None


def _nearest(name: str, known: typing.Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; is it {near[0]!r}?" if near else f"; known are {', '.join(known)}"
