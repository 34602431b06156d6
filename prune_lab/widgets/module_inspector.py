"""ModuleInspector: click through a model and see what each module holds, now and before."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import traitlets
from matplotlib.figure import Figure
from torch import nn

from prune_lab.inspection import HookEntry, ModuleReport, TensorEntry, describe, inspect_module
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.panel import Panel


class ModuleInspector(Panel):
    """See what a model's modules hold, and what has changed since before.

    "Before" is when the inspector was made, or the last ``mark()``. The panel looks again after
    every executed cell; in plain Python call ``refresh()``. The model is only read.

    Attributes:
        module: dotted name of the chosen module, as ``model.named_modules()`` gives it; "" is the
            model itself. Set it or click in the tree.
        tree: the modules in order, each a dict: ``path``, ``type``, ``title`` (the type with its
            options) and ``changes``, the number of changes to what the module itself owns.
        rows: the parameters, buffers, plain tensors and hooks of the whole model, each a dict:
            ``kind``, ``name``, ``owner`` (a path of the tree), ``what`` ("", "added", "gone",
            "renamed" or "changed"), and its cells of the table, ``now`` and, where they were
            others, ``before``. ``was`` is a renamed tensor's earlier name, ``other_values``
            whether its values have changed.
        since: what "before" means, in words.

    Args:
        model: any module.
        module: the one to choose first.
        layout: of the panel, as every ipywidget takes it.

    Raises:
        TypeError: ``model`` is not an ``nn.Module``.
        ValueError: it has no module of that name.

    >>> from prune_lab import prune
    >>> from prune_lab.lenet import LeNet
    >>> model = LeNet()
    >>> inspector = ModuleInspector(model, module="conv1")
    >>> inspector
    ModuleInspector(module='conv1', parameters=2, buffers=0, hooks=0)
    >>> _ = prune.random_unstructured(model.conv1, "weight", amount=0.3)
    >>> inspector.refresh()  # a notebook does this after each cell
    >>> inspector
    ModuleInspector(module='conv1', parameters=2, buffers=1, hooks=1, changes=4)
    """

    _esm = script("module_inspector.js")
    _controls = ("module",)
    _buttons = ("mark",)

    module = traitlets.Unicode(help="dotted name of the chosen module; '' is the model")
    tree: traitlets.List[dict[str, Any]] = traitlets.List(
        help="the modules, in the model's order"
    ).tag(sync=True)
    rows: traitlets.List[dict[str, Any]] = traitlets.List(
        help="what they hold and held, each thing once"
    ).tag(sync=True)
    since = traitlets.Unicode(help="what 'before' means, in words").tag(sync=True)

    def __init__(self, model: nn.Module, module: str = "", *, layout: Layout = None) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, but got {type(model).__name__}")
        self._model = model
        self._modules = _modules(model)
        _check(module, self._modules)  # first of all: a panel half made would follow the cells
        self._before = self._now = inspect_module(model)
        super().__init__(layout)
        self.since = "when this panel was made"
        self._show()
        self.module = module

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        modules, now = _modules(self._model), inspect_module(self._model, self._now)
        same = now.tensors == self._now.tensors and now.hooks == self._now.hooks
        if modules != self._modules or not same:
            self._modules, self._now = modules, now
            self._show()

    def mark(self) -> None:
        """Compare from now on with the model as it is now."""
        self._modules, self._now = _modules(self._model), inspect_module(self._model, self._now)
        self._before = self._now
        self.since = "when you chose to compare from now"
        self._show()

    def _show(self) -> None:
        rows = []
        for row in _rows(self._before, self._now):
            while row["owner"] not in self._modules:  # the module is gone: show where it was
                row["owner"] = row["owner"].rpartition(".")[0]
            rows.append(row)
        changes = Counter(row["owner"] for row in rows if row["what"])
        tree = [
            {"path": path, "type": kind, "title": title, "changes": changes[path]}
            for path, (kind, title) in self._modules.items()
        ]
        with self.hold_sync():
            self.tree, self.rows = tree, rows
            while self.module not in self._modules:
                self.module = self.module.rpartition(".")[0]

    @traitlets.validate("module")
    def _check_module(self, proposal: traitlets.Bunch) -> str:
        return _check(proposal.value, self._modules)

    def __repr__(self) -> str:
        inside = [row for row in self.rows if _is_inside(row["owner"], self.module)]
        held = Counter(row["kind"] for row in inside if "now" in row)
        counts = {f"{kind}s": held[kind] for kind in ("parameter", "buffer", "hook")}
        if changes := sum(bool(row["what"]) for row in inside):
            counts["changes"] = changes
        said = ", ".join(f"{what}={count}" for what, count in counts.items())
        return f"ModuleInspector(module={self.module!r}, {said})"

    def _figure(self) -> Figure:
        before, now = (self._part(report) for report in (self._before, self._now))
        held = f"{now}\n\n\n{before.compare(now)}".splitlines()
        tree = [_shortened(line, _TREE_WIDTH) for line in self._branches()]
        width = max(map(len, tree)) + 4
        beside = itertools.zip_longest(tree, held, fillvalue="")
        lines = [_shortened(f"{left:{width}}{right}", _WIDTH) for left, right in beside]
        if len(lines) > _LINES:
            lines[_LINES:] = ["", f"... and {len(lines) - _LINES:,} more lines"]
        figure = Figure(figsize=(0.09 * max(map(len, lines)) + 0.3, 0.2 * len(lines) + 0.3))
        # Names come from the user's model: "$" must not start a formula.
        text = "\n".join(lines)
        figure.text(0, 1, text, family="monospace", size=10, va="top", parse_math=False)
        return figure

    def _branches(self) -> Iterator[str]:
        for entry in self.tree:
            path, changes = entry["path"], entry["changes"]
            name = f"{path.rpartition('.')[2]} {entry['type']}".strip()
            marks = f"  [{changes} change{'s' * (changes != 1)}]" if changes else ""
            depth = len(path.split(".")) if path else 0
            yield f"{'>' if path == self.module else ' '} {'  ' * depth}{name}{marks}"

    def _part(self, whole: ModuleReport) -> ModuleReport:
        """What a report of the model says about the chosen module, under the names that it uses."""
        if not self.module:
            return whole
        path = self.module
        tensors = [
            replace(tensor, name=tensor.name.removeprefix(f"{path}."))
            for tensor in whole.tensors
            if _is_inside(_owner(tensor.name), path)
        ]
        hooks = [
            replace(hook, when=hook.when.removeprefix(f"{path}: ").removeprefix(f"{path}."))
            for hook in whole.hooks
            if _is_inside(hook.when.rpartition(": ")[0], path)
        ]
        return ModuleReport(self._modules[path][1], tensors, hooks)


# The picture's size: a large model's report would be metres high, and slow to draw.
_LINES, _WIDTH, _TREE_WIDTH = 40, 140, 44

_Modules = dict[str, tuple[str, str]]


def _modules(model: nn.Module) -> _Modules:
    """Each module's type and description, by its path."""
    return {path: (type(part).__name__, describe(part)) for path, part in model.named_modules()}


def _shortened(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _check(path: str, modules: _Modules) -> str:
    if path in modules:
        return path
    inside = [repr(other) for other in modules if other]
    some = ", ".join(inside[:10]) or "no modules inside"
    more = f" and {len(inside) - 10:,} more" if len(inside) > 10 else ""
    raise ValueError(f"the model has no module {path!r}; it has {some}{more}")


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _is_inside(owner: str, path: str) -> bool:
    return not path or owner == path or owner.startswith(f"{path}.")


def _rows(before: ModuleReport, now: ModuleReport) -> Iterator[dict[str, Any]]:
    """What there is now, what was there before, and a word for each change."""
    for old, new in before.pairs(now):
        if new is not None:
            yield _tensor_row(old, new)
        elif old is not None:
            yield _named(old, "gone") | {"before": _cells(old)}
    known = Counter(before.hooks)
    for hook in now.hooks:
        yield _hook_row(hook, "" if known[hook] > 0 else "added") | {"now": [_when(hook)]}
        known[hook] -= 1
    for hook in (+known).elements():
        yield _hook_row(hook, "gone") | {"before": [_when(hook)]}


def _tensor_row(was: TensorEntry | None, now: TensorEntry) -> dict[str, Any]:
    cells = {"now": _cells(now)}
    if was is None:
        return _named(now, "added") | cells
    other_values = was.fingerprint != now.fingerprint
    if _cells(was) != cells["now"]:
        cells["before"] = _cells(was)
    if was.name != now.name:
        return _named(now, "renamed") | cells | {"was": was.name, "other_values": other_values}
    changed = other_values or "before" in cells
    return _named(now, "changed" if changed else "") | cells | {"other_values": other_values}


def _named(tensor: TensorEntry, what: str) -> dict[str, Any]:
    return {"kind": tensor.kind, "name": tensor.name, "owner": _owner(tensor.name), "what": what}


def _cells(tensor: TensorEntry) -> list[str]:
    grad = str(tensor.requires_grad)
    return [tensor.size, tensor.dtype, tensor.range, tensor.zeros_of_all, grad]


def _hook_row(hook: HookEntry, what: str) -> dict[str, Any]:
    owner = hook.when.rpartition(": ")[0]
    return {"kind": "hook", "name": hook.name, "owner": owner, "what": what}


def _when(hook: HookEntry) -> str:
    return hook.when.rpartition(": ")[2]
