"""What a module holds: its parameters, buffers, plain tensors and hooks, and what has changed."""

from __future__ import annotations

import functools
import weakref
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

Row = tuple[str, ...]


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a module as it was: numbers about it, not its values.

    `kind` is "parameter", "buffer" or "plain tensor" (an attribute, neither trained nor saved);
    `zeros` counts the entries equal to 0; `fingerprint` is a hash of all values.
    """

    kind: str
    name: str
    shape: tuple[int, ...] | None
    dtype: str
    range: str
    zeros: int | None
    requires_grad: bool
    fingerprint: str
    # To recognise a Parameter that has another name later, without keeping it alive.
    _tensor: weakref.ref[Tensor] = field(repr=False, compare=False)

    @property
    def size(self) -> str:
        """The shape as Python writes it."""
        return "not known yet" if self.shape is None else str(self.shape)

    @property
    def zeros_of_all(self) -> str:
        """Such as "45 of 150"; empty where the values are not known."""
        if self.zeros is None or self.shape is None:
            return ""
        return f"{self.zeros:,} of {torch.Size(self.shape).numel():,}"


@dataclass(frozen=True)
class HookEntry:
    """One hook of a module: when it runs ("forward pre-hook") and what runs."""

    when: str
    name: str


class _Shown:
    """Shows itself as a table: HTML in Jupyter, aligned text elsewhere."""

    def _title(self) -> str:
        raise NotImplementedError

    def _sections(self) -> Iterator[tuple[Row, list[Row]]]:
        """The table: for each section its head, and its rows under it."""
        raise NotImplementedError

    def __repr__(self) -> str:
        sections = list(self._sections())
        lines = [cells for head, rows in sections for cells in (head, *rows)]
        # A line's last text may run on into the empty cells after it, so it widens no column.
        widths = [
            max((len(line[i]) for line in lines if any(line[i + 1 :]) or not i), default=0)
            for i in range(len(lines[0]) if lines else 0)
        ]
        text = [self._title()]
        for head, rows in sections:
            text.append("")
            text += ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in (head, *rows)]
        return "\n".join(text)

    def _repr_html_(self) -> str:
        body = []
        for head, rows in self._sections():
            body.append(f"<tbody><tr>{_html_cells(head, 'th', 'col')}</tr>")
            body += [f"<tr>{_html_cells(row, 'td', 'row')}</tr>" for row in rows]
            body.append("</tbody>")
        return (
            f"{_STYLE}<div class='prune-lab-report'><p>{escape(self._title())}</p>"
            f"<table>{''.join(body)}</table></div>"
        )


class ModuleReport(_Shown):
    """What `inspect_module` found. It stays as it is when the module changes later.

    ``before.compare(after)``, or ``after - before``, says what changed between two reports.
    """

    def __init__(
        self, module: str, tensors: Iterable[TensorEntry], hooks: Iterable[HookEntry]
    ) -> None:
        self.module = module
        self.tensors = tuple(tensors)
        self.hooks = tuple(hooks)

    def compare(self, after: ModuleReport) -> ModuleDifference:
        """Return what changed from this report to the one taken `after` it.

        Raises TypeError when `after` is no report.
        """
        if not isinstance(after, ModuleReport):
            raise TypeError(
                f"a report can only be compared with another, but got {type(after).__name__}"
            )
        return ModuleDifference(self, after)

    def pairs(self, after: ModuleReport) -> Iterator[tuple[TensorEntry | None, TensorEntry | None]]:
        """Return each tensor beside what it is in the report `after`: in its order, then the gone.

        None stands for what is gone, or was not there. A renamed tensor is one pair.

        >>> layer = nn.Linear(3, 2)
        >>> before = inspect_module(layer)
        >>> layer.bias = None
        >>> layer.register_buffer("ones", torch.ones(2))
        >>> for was, now in before.pairs(inspect_module(layer)):
        ...     print(was and was.name, "->", now and now.name)
        weight -> weight
        None -> ones
        bias -> None
        """
        old = {(t.kind, t.name): t for t in self.tensors}
        new = {(t.kind, t.name): t for t in after.tensors}
        gone = {key: t for key, t in old.items() if key not in new}
        objects = {(t.kind, id(t._tensor())): t for t in gone.values() if t._tensor() is not None}
        for key, now in new.items():
            was = old.get(key) or _earlier(now, gone, objects.get((now.kind, id(now._tensor()))))
            if was is not None:
                gone.pop((was.kind, was.name), None)
            yield was, now
        for left in gone.values():
            yield left, None

    def __sub__(self, before: object) -> ModuleDifference:
        return before.compare(self) if isinstance(before, ModuleReport) else NotImplemented

    def _title(self) -> str:
        return self.module

    def _sections(self) -> Iterator[tuple[Row, list[Row]]]:
        columns = ("shape", "dtype", "range", "zeros", "requires_grad")
        for kind, head in _KINDS.items():
            rows: list[Row] = [
                (f"  {t.name}", t.size, t.dtype, t.range, t.zeros_of_all, str(t.requires_grad))
                for t in self.tensors
                if t.kind == kind
            ]
            if rows:
                yield (head, *columns), rows
            elif kind != "plain tensor":  # most modules have none, and that is no news
                yield (head, "none", *[""] * 4), []
        hooks: list[Row] = [(f"  {hook.when}", hook.name, *[""] * 4) for hook in self.hooks]
        yield ("hooks", "runs" if hooks else "none", *[""] * 4), hooks


@dataclass(frozen=True)
class Change:
    """One line of a difference.

    `what` is "added", "gone", "renamed" or "changed"; `kind` "parameter", "buffer",
    "plain tensor" or "hook".
    """

    what: str
    kind: str
    name: str
    details: str


class ModuleDifference(_Shown):
    """What changed in a module between two reports, as a tuple of `changes`."""

    def __init__(self, before: ModuleReport, after: ModuleReport) -> None:
        self.module = after.module
        self.changes = (*_tensor_changes(before, after), *_hook_changes(before, after))

    def _title(self) -> str:
        return f"{self.module}: {'what changed' if self.changes else 'nothing changed'}"

    def _sections(self) -> Iterator[tuple[Row, list[Row]]]:
        if self.changes:
            rows: list[Row] = [(c.what, c.kind, c.name, c.details) for c in self.changes]
            yield ("", "kind", "name", "details"), rows


def inspect_module(module: nn.Module, known: ModuleReport | None = None) -> ModuleReport:
    """Report the parameters, buffers, plain tensors and hooks of `module`, as they are now.

    Each tensor has its shape, dtype, smallest and largest value, number of zeros and
    requires_grad; each hook its kind and its function's or class's name. What lies in submodules
    has the dotted name that ``named_parameters()`` gives it. A report shows itself as a table in
    Jupyter and as text elsewhere. It keeps no values, and stays as it is when the module changes.

    To look again at a large module, hand over the report that is `known`: what has the same
    values as there is not counted again.

    Raises TypeError when `module` is no ``torch.nn.Module``.

    >>> _ = torch.manual_seed(0)
    >>> layer = nn.Linear(3, 2)
    >>> before = inspect_module(layer)
    >>> before
    Linear(in_features=3, out_features=2, bias=True)
    <BLANKLINE>
    parameters  shape   dtype    range             zeros   requires_grad
      weight    (2, 3)  float32  -0.475 to 0.31    0 of 6  True
      bias      (2,)    float32  -0.0114 to 0.458  0 of 2  True
    <BLANKLINE>
    buffers     none
    <BLANKLINE>
    hooks       none

    Pruning renames one thing and adds three:

    >>> from prune_lab import prune
    >>> _ = prune.l1_unstructured(layer, "weight", amount=2)
    >>> inspect_module(layer) - before
    Linear(in_features=3, out_features=2, bias=True): what changed
    <BLANKLINE>
             kind          name                   details
    renamed  parameter     weight -> weight_orig  the same 6 values
    added    buffer        weight_mask            (2, 3), float32, 0 to 1, zeros: 2 of 6
    added    plain tensor  weight                 (2, 3), float32, -0.475 to 0.31, zeros: 2 of 6
    added    hook          forward pre-hook       L1Unstructured on weight
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, but got {type(module).__name__}")
    old = {} if known is None else {(t.kind, t.name): t for t in known.tensors}
    return ModuleReport(describe(module), _tensors(module, old), _hooks(module))


def describe(module: nn.Module) -> str:
    """Return the module's class, and its options where nothing lies inside it.

    >>> describe(nn.Linear(3, 2)), describe(nn.Sequential(nn.Linear(3, 2)))
    ('Linear(in_features=3, out_features=2, bias=True)', 'Sequential')
    """
    name = type(module).__name__
    if list(module.children()):
        return name
    try:
        return f"{name}({module.extra_repr()})"
    except Exception:  # it is the module's own code, and asks for what may have been deleted
        return name


# --- What is there -------------------------------------------------------------------------------

_KINDS = {"parameter": "parameters", "buffer": "buffers", "plain tensor": "plain tensors"}

# The dictionaries in which torch.nn.Module keeps its hooks, and the documentation's word for each.
_HOOKS = {
    "_forward_pre_hooks": "forward pre-hook",
    "_forward_hooks": "forward hook",
    "_backward_pre_hooks": "backward pre-hook",
    "_backward_hooks": "backward hook",
    "_state_dict_pre_hooks": "state_dict pre-hook",
    "_state_dict_hooks": "state_dict hook",
    "_load_state_dict_pre_hooks": "load_state_dict pre-hook",
    "_load_state_dict_post_hooks": "load_state_dict post-hook",
}


def _tensors(
    module: nn.Module, known: Mapping[tuple[str, str], TensorEntry]
) -> Iterator[TensorEntry]:
    for path, part in module.named_modules():
        owned: dict[str, Mapping[str, object]] = {
            "parameter": part._parameters,
            "buffer": part._buffers,
            "plain tensor": vars(part),
        }
        for kind, tensors in owned.items():
            for name, tensor in tensors.items():
                if isinstance(tensor, Tensor):
                    full = f"{path}.{name}" if path else name
                    yield _entry(kind, full, tensor, known.get((kind, full)))


def _entry(kind: str, name: str, tensor: Tensor, known: TensorEntry | None) -> TensorEntry:
    # A lazy module has no shapes before its first call, the meta device never has values.
    values = None if is_lazy(tensor) or tensor.is_meta else _plain(tensor)
    shape = None if is_lazy(tensor) else tuple(tensor.shape)
    dtype = str(tensor.dtype).removeprefix("torch.")
    fingerprint = "" if values is None else hash_of(values)
    if known is not None and (known.shape, known.dtype, known.fingerprint) == (
        shape,
        dtype,
        fingerprint,
    ):
        numbers, zeros = known.range, known.zeros
    else:
        numbers = "" if values is None else _range(values)
        zeros = None if values is None else _zeros(values)
    return TensorEntry(
        kind=kind,
        name=name,
        shape=shape,
        dtype=dtype,
        range=numbers,
        zeros=zeros,
        requires_grad=tensor.requires_grad,
        fingerprint=fingerprint,
        _tensor=weakref.ref(tensor),
    )


def _plain(tensor: Tensor) -> Tensor:
    """The values, dense and in order, however the tensor keeps them."""
    values = tensor.detach().cpu()
    if values.is_quantized:
        values = values.dequantize()
    return values.to_dense().resolve_conj().resolve_neg().contiguous()


def _range(values: Tensor) -> str:
    if values.numel() == 0 or values.is_complex():
        return ""
    values = _countable(values)
    try:
        low, high = values.min().item(), values.max().item()
    except NotImplementedError:  # torch cannot compare every type, such as unsigned 16-bit integers
        return ""
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


def _zeros(values: Tensor) -> int | None:
    try:
        return values.numel() - int(_countable(values).count_nonzero())
    except NotImplementedError:
        return None


def _countable(values: Tensor) -> Tensor:
    """The values in a type that torch can compare: it finds no minimum among 8-bit floats."""
    eight_bits = values.dtype.itemsize == 1 and values.dtype.is_floating_point
    return values.float() if eight_bits else values


def hash_of(values: Tensor) -> str:
    """Return a hash of all values of a tensor on the CPU, of any shape and dtype.

    >>> zeros = torch.zeros(3)
    >>> hash_of(zeros) == hash_of(zeros.clone()), hash_of(zeros) == hash_of(-zeros)
    (True, False)
    """
    # The raw bytes: NumPy does not know every dtype, and NaN is not equal to itself. A widget asks
    # after every cell, so the hash must be quick: nobody forges weights, an accident meets it once
    # in four thousand million times.
    return f"{zlib.crc32(values.detach().reshape(-1).view(torch.uint8).numpy().data):08x}"


def _number(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _hooks(module: nn.Module) -> Iterator[HookEntry]:
    for path, part in module.named_modules():
        for attribute, when in _HOOKS.items():
            for hook in getattr(part, attribute, {}).values():
                yield HookEntry(f"{path}: {when}" if path else when, _name(hook))


def _name(hook: object) -> str:
    while isinstance(hook, functools.partial):
        hook = hook.func
    name: str = getattr(hook, "__qualname__", type(hook).__name__)
    pruned = getattr(hook, "_tensor_name", None)  # what torch and prune_lab call a pruning target
    return f"{name} on {pruned}" if isinstance(pruned, str) else name


# --- What changed --------------------------------------------------------------------------------


def _tensor_changes(before: ModuleReport, after: ModuleReport) -> Iterator[Change]:
    found: dict[str, list[Change]] = {"renamed": [], "gone": [], "added": [], "changed": []}

    def note(what: str, entry: TensorEntry, name: str, details: str) -> None:
        found[what].append(Change(what, entry.kind, name, details))

    for was, now in before.pairs(after):
        if was is None or now is None:
            what, entry = ("gone", was) if was is not None else ("added", now)
            assert entry is not None  # one of a pair is always there
            note(what, entry, entry.name, _summary(entry))
        elif was.name != now.name:
            details = _what_differs(was, now) or f"the same {_count(now)} values"
            note("renamed", now, f"{was.name} -> {now.name}", details)
        elif details := _what_differs(was, now):
            note("changed", now, now.name, details)
    for changes in found.values():
        yield from changes


def _earlier(
    now: TensorEntry, gone: Mapping[tuple[str, str], TensorEntry], same: TensorEntry | None
) -> TensorEntry | None:
    """What `now` was called before: torch's names of a pruned parameter, or the `same` object."""
    if now.kind == "parameter":
        for name in (now.name.removesuffix("_orig"), f"{now.name}_orig"):
            was = gone.get((now.kind, name))
            if was is not None and was.shape == now.shape:
                return was
    return same if same is not None and (same.kind, same.name) in gone else None


def _what_differs(was: TensorEntry, now: TensorEntry) -> str:
    pairs = {
        "shape": (was.size, now.size),
        "dtype": (was.dtype, now.dtype),
        "requires_grad": (str(was.requires_grad), str(now.requires_grad)),
        "range": (was.range, now.range),
        "zeros": (was.zeros_of_all, now.zeros_of_all),
    }
    details = [f"{name}: {old} -> {new}" for name, (old, new) in pairs.items() if old != new]
    if was.fingerprint != now.fingerprint:
        details.insert(0, "other values")
    return ", ".join(details)


def _summary(entry: TensorEntry) -> str:
    zeros = f"zeros: {entry.zeros_of_all}" if entry.zeros_of_all else ""
    return ", ".join(filter(None, (entry.size, entry.dtype, entry.range, zeros)))


def _count(entry: TensorEntry) -> str:
    return "unknown" if entry.shape is None else f"{torch.Size(entry.shape).numel():,}"


def _hook_changes(before: ModuleReport, after: ModuleReport) -> Iterator[Change]:
    old, new = Counter(before.hooks), Counter(after.hooks)
    for what, hooks in (("gone", old - new), ("added", new - old)):
        for hook in hooks.elements():
            yield Change(what, "hook", hook.when, hook.name)


# --- How it looks in Jupyter ---------------------------------------------------------------------

# JupyterLab's own variables follow its theme; elsewhere the page's colours are inherited.
_COLOURS = {
    "added": "var(--jp-success-color1, #2e8540)",
    "gone": "var(--jp-error-color1, #d33c3c)",
    "renamed": "var(--jp-brand-color1, #2b7cd3)",
    "changed": "var(--jp-warn-color1, #c77700)",
}

_STYLE = """<style>
.prune-lab-report { overflow-x: auto; color: var(--jp-content-font-color1, inherit); }
.prune-lab-report p { margin: 0 0 .4em; font-family: var(--jp-code-font-family, monospace); }
.prune-lab-report table { border-collapse: collapse; margin: 0; font-size: inherit; }
.prune-lab-report tr { background: none !important; }
.prune-lab-report th, .prune-lab-report td {
  text-align: left !important; padding: .25em .9em .25em 0; white-space: nowrap; border: none; }
.prune-lab-report td, .prune-lab-report th[scope=row] {
  border-top: 1px solid var(--jp-border-color2, rgb(128 128 128 / 40%)); }
.prune-lab-report td { font-variant-numeric: tabular-nums; font-weight: normal; }
.prune-lab-report th[scope=row] {
  font-family: var(--jp-code-font-family, monospace); font-weight: 600; }
.prune-lab-report tr > *[scope=col], .prune-lab-report th:not([scope]) {
  color: var(--jp-content-font-color2, inherit); font-weight: normal;
  padding-top: .8em; vertical-align: bottom; }
.prune-lab-report th[scope=col] { font-weight: 600; }
</style>"""


def _html_cells(cells: Row, tag: str, scope: str) -> str:
    """The cells of one line. The last with text takes the room of the empty ones after it."""
    last = max(i for i, cell in enumerate(cells) if cell or i == 0)
    colour = f' style="color: {_COLOURS[cells[0]]}"' if cells[0] in _COLOURS else ""
    html = [f'<th scope="{scope}"{colour}>{escape(cells[0].strip())}</th>']
    for i, cell in enumerate(cells[1 : last + 1], start=1):
        span = f' colspan="{len(cells) - last}"' if i == last and last < len(cells) - 1 else ""
        html.append(f"<{tag}{span}>{escape(cell)}</{tag}>")
    return "".join(html)
