"""ModuleInspector: click through a model and see what each module holds, now and before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import traitlets
from matplotlib.figure import Figure
from torch import nn

from prune_lab.inspection import ModuleReport, TensorEntry, inspect_module
from prune_lab.widgets.frontend import script
from prune_lab.widgets.panel import Panel

Reports = dict[str, ModuleReport]

_HEADS = {"parameter": "parameters", "buffer": "buffers", "attribute": "plain tensors"}
_COLUMNS = ["shape", "dtype", "range", "zeros", "requires_grad"]


class ModuleInspector(Panel):
    """See what a model's modules hold, and what has changed since before.

    "Before" is when the inspector was made, or the last ``mark()``. The panel looks again after
    every executed cell; in plain Python call ``refresh()``. The model is only read.

    Attributes:
        module: dotted name of the chosen module, as ``model.named_modules()`` gives it; "" is the
            model itself. Set it or click in the tree.
        tree: the modules in order, each a dict: ``path``, ``name``, ``type``, ``depth`` and
            ``changes``, the number of changes to what the module itself owns.
        details: for each path the rows that the panel shows.

    Args:
        model: any module.
        module: the one to choose first.

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
    ModuleInspector(module='conv1', parameters=2, buffers=1, hooks=1)
    """

    _esm = script("module_inspector.js")
    _buttons = ("mark",)

    module = traitlets.Unicode(help="dotted name of the chosen module; '' is the model").tag(
        sync=True
    )
    tree = traitlets.List(traitlets.Dict(), help="the modules, in the model's order").tag(sync=True)
    details = traitlets.Dict(help="for each path: title, counts, sections").tag(sync=True)
    since = traitlets.Unicode(help="what 'before' means, in words").tag(sync=True)

    def __init__(self, model: nn.Module, module: str = "") -> None:
        self._model = model
        self._before = self._now = _reports(model)
        super().__init__()
        self.since = "when this panel was made"
        self._show()
        self.module = module

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        whole = inspect_module(self._model)
        if _same(whole, self._now[""]) and _paths(self._model) == list(self._now):
            return
        self._now = _reports(self._model)
        self._show()

    def mark(self) -> None:
        """Compare from now on with the model as it is now."""
        self._before = self._now = _reports(self._model)
        self.since = "when you chose to compare from now"
        self._show()

    def _show(self) -> None:
        owners = _changes(self._before[""], self._now[""], list(self._now))
        tree = []
        for path, module in self._model.named_modules():
            name = path.rpartition(".")[2]
            depth = path.count(".") + 1 if path else 0
            entry = {"path": path, "name": name, "type": type(module).__name__, "depth": depth}
            tree.append({**entry, "changes": owners.count(path)})
        nothing = ModuleReport("", (), ())
        details = {
            path: _details(self._before.get(path, nothing), now) for path, now in self._now.items()
        }
        with self.hold_sync():
            self.tree, self.details = tree, details
            while self.module not in details:  # it is gone: show where it was
                self.module = self.module.rpartition(".")[0]

    @traitlets.validate("module")
    def _check_module(self, proposal: traitlets.Bunch) -> str:
        if proposal.value not in self._now:
            children = ", ".join(repr(path) for path in self._now if path) or "no modules inside"
            raise ValueError(f"the model has no module {proposal.value!r}; it has {children}")
        return str(proposal.value)

    def __repr__(self) -> str:
        counts = self.details[self.module]["counts"]
        held = ", ".join(f"{kind}={counts[kind][0]}" for kind in ("parameters", "buffers", "hooks"))
        return f"ModuleInspector(module={self.module!r}, {held})"

    def _figure(self) -> Figure:
        before, now = self._before.get(self.module), self._now[self.module]
        text = str(now) if before is None else f"{now}\n\n\n{before.compare(now)}"
        lines = text.splitlines()
        figure = Figure(figsize=(0.09 * max(map(len, lines)) + 0.3, 0.2 * len(lines) + 0.3))
        # Names come from the user's model: "$" must not start a formula.
        figure.text(0, 1, text, family="monospace", size=10, va="top", parse_math=False)
        return figure


def _paths(model: nn.Module) -> list[str]:
    return [path for path, _ in model.named_modules()]


def _reports(model: nn.Module) -> Reports:
    """A report of every module, the model's own first."""
    whole = inspect_module(model)  # says so where the model is none
    return {path: inspect_module(m) if path else whole for path, m in model.named_modules()}


def _same(one: ModuleReport, other: ModuleReport) -> bool:
    return one.tensors == other.tensors and one.hooks == other.hooks


def _changes(before: ModuleReport, now: ModuleReport, paths: list[str]) -> list[str]:
    """For each change in the whole model, the module that owns what changed."""

    def owner(name: str) -> str:
        inside = [path for path in paths if path and name.startswith((f"{path}.", f"{path}: "))]
        return max(inside, key=len, default="")

    return [owner(change.name) for change in before.compare(now).changes]


def _details(before: ModuleReport, now: ModuleReport) -> dict[str, Any]:
    """The rows for one module: what there is now, what was there before, and a word for each."""
    old = {(t.kind, t.name): t for t in before.tensors}
    words: dict[tuple[str, str], tuple[str, TensorEntry | None]] = {}
    gone: list[TensorEntry] = []
    hooks: list[tuple[str, str, str]] = []
    for change in before.compare(now).changes:
        key = (change.kind, change.name)
        if change.kind == "hook":
            hooks.append((change.what, change.details, change.name))
        elif change.what == "gone":
            gone.append(old[key])
        elif change.what == "renamed":
            for tensor in now.tensors:
                was = change.name.removesuffix(f" -> {tensor.name}")
                if tensor.kind == change.kind and was != change.name:
                    words[(tensor.kind, tensor.name)] = ("renamed", old[(change.kind, was)])
        else:
            words[key] = (change.what, old.get(key))

    def rows(kind: str) -> Iterator[dict[str, Any]]:
        for tensor in now.tensors:
            if tensor.kind == kind:
                what, was = words.get((tensor.kind, tensor.name), ("", None))
                yield _row(tensor.name, what, _said(what, was, tensor), tensor, was)
        for tensor in gone:
            if tensor.kind == kind:
                yield _row(tensor.name, "gone", "gone", None, tensor)

    counts = {
        head: [sum(t.kind == kind for t in report.tensors) for report in (now, before)]
        for kind, head in _HEADS.items()
    }
    counts["hooks"] = [len(now.hooks), len(before.hooks)]
    sections = [
        {"head": head, "columns": _COLUMNS, "rows": list(rows(kind))}
        for kind, head in _HEADS.items()
    ]
    added = [(name, when) for what, name, when in hooks if what == "added"]
    hook_rows = []
    for hook in now.hooks:
        new = (hook.name, hook.when) in added
        if new:
            added.remove((hook.name, hook.when))
        what = "added" if new else ""
        hook_rows.append({"name": hook.name, "what": what, "said": what, "now": [hook.when]})
    for what, name, when in hooks:
        if what == "gone":
            hook_rows.append({"name": name, "what": what, "said": what, "before": [when]})
    sections.append({"head": "hooks", "columns": ["runs as"], "rows": hook_rows})
    return {"title": now.module, "counts": counts, "sections": sections}


def _said(what: str, was: TensorEntry | None, now: TensorEntry) -> str:
    """Such as "renamed from weight"."""
    if was is None:
        return what
    values = "values changed" if was.fingerprint != now.fingerprint else ""
    if what == "renamed":
        return f"renamed from {was.name}, {values or 'same values'}"
    return values or what


def _row(
    name: str, what: str, said: str, now: TensorEntry | None, before: TensorEntry | None
) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "what": what, "said": said}
    if now is not None:
        row["now"] = _cells(now)
    if before is not None:
        row["before"] = _cells(before)
    return row


def _cells(tensor: TensorEntry) -> list[str]:
    grad = str(tensor.requires_grad)
    return [tensor.size, tensor.dtype, tensor.range, tensor.zeros_of_all, grad]
