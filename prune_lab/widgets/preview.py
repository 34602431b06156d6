"""The preview of one parameter: its values, when each entry goes, and the call that would prune."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from prune_lab import plots
from prune_lab.widgets.applies import Applying
from prune_lab.widgets.drawing import Drawing
from prune_lab.widgets.technique import Settings, Technique
from prune_lab.widgets.techniques import ByHand, group_sizes

NORMS = (1, 2, float("inf"))


class Preview(Drawing, Applying):
    """The part of a panel that shows one parameter, and what would be pruned of it.

    A mask may be painted over the picture.
    """

    name = traitlets.Unicode(help="of the parameter on show")
    dim = traitlets.Int(0, help="whose channels go")
    n = traitlets.Any(2, help="the norm that ranks channels").tag(
        to_json=lambda n, _: "inf" if n == float("inf") else str(n),
        from_json=lambda n, _: float(n),
    )
    m = traitlets.Int(4, help="the size of the groups of N:M")

    # What the browser draws
    parameters = traitlets.List(
        traitlets.Dict(), help="name, shape, total and gone of each; for a global technique steps"
    ).tag(sync=True)
    groups = traitlets.List(traitlets.Int(), help="sizes that N:M could take").tag(sync=True)
    title = traitlets.Unicode(help="layer and parameter, such as 'conv1.weight'").tag(sync=True)
    call = traitlets.Tuple(
        traitlets.Unicode(),
        traitlets.Unicode(),
        default_value=("", ""),
        help="the code, before and after the amount",
    ).tag(sync=True)
    by_hand = traitlets.Tuple(
        traitlets.Unicode(),
        traitlets.Unicode(),
        traitlets.Unicode(),
        default_value=("", "", ""),
        help="the code for a mask by hand, around the list of entries, and without a list",
    ).tag(sync=True)
    ramp = traitlets.List(
        traitlets.Unicode(), plots.RAMP, help="colours '#rrggbb' from the lowest value up"
    ).tag(sync=True)

    _painted: Tensor | None = None  # the reader's mask of the parameter on show

    @property
    def layer(self) -> str:
        """Last part of the layer's name, such as ``conv1``."""
        path, _, _ = self.name.rpartition(".")
        return (path or self._parameters.label).rsplit(".", 1)[-1]

    @property
    def mask(self) -> Tensor:
        """The mask that ``Apply`` would set: shape and dtype of the parameter, 1 kept, 0 pruned.

        Setting it is painting it: the technique becomes ``custom_from_mask``.
        """
        values = self._parameters[self.name].values
        return self._ranking.masks(self._count())[self.name].to(values)

    @mask.setter
    def mask(self, mask: Tensor) -> None:
        shape = self._parameters[self.name].values.shape
        if mask.shape != shape:
            raise ValueError(f"mask should have the shape {tuple(shape)}, not {tuple(mask.shape)}")
        self._painted = mask != 0
        with self._together():
            self.technique = self._hand.value
        self._look()

    @property
    def code(self) -> str:
        """The call that makes this mask, as the panel shows it."""
        names = self._ranking.names
        line = self._chosen.line(
            self._parameters, names, self._settings(), self.amount, self._ranking
        )
        return self._with_twins(line, names)

    def refresh(self) -> None:
        """Look at the module again; after each executed cell this happens by itself."""
        if self._parameters.changed():
            self._look()
            self._give_up()

    def _look(self, anew: bool = False) -> None:
        """Rank the entries as they are before our own Apply, and show them."""
        self._background.cancel()
        self._parameters.look()
        technique, settings = self._chosen, self._settings()
        if not technique.fits(self.name, self._parameters):
            raise ValueError(self._not_offered(technique.value))
        names = technique.looks_at(self.name, self._parameters)
        before = self._applies.base_masks(names)
        ranking = technique.rank(self._values_to_rank(names), before, settings)
        values = self._parameters[self.name].values
        with self.hold_sync():
            with self._together():
                self._take_ranking(ranking, anew)
            self._draw(self.name, values, ranking, partial(self._parameters.kept, names))
            self.groups = group_sizes(values)
            self.techniques = self._menu()
            self.parameters = self._rows()
            path, _, last = self.name.rpartition(".")
            self.title = f"{path or self.layer}.{last}"
            self._write_code(names, settings)
            self.undoable = bool(self._applies)
            self._reply()
        self._looked()

    def _values_to_rank(self, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: self._parameters[name].values for name in names}

    def _looked(self) -> None:
        """React to another picture."""

    def _finished_drawing(self) -> None:
        self.parameters = self._rows()

    def _take_own_work(self) -> None:
        """Our own Apply changes the model, but not what is ranked."""
        self._background.cancel()
        self._parameters.take_pruning(self._applies.seen())
        with self.hold_sync():
            self.parameters = self._rows()
            self.undoable = bool(self._applies)
        self._looked()

    def _write_code(self, names: Sequence[str], settings: Settings) -> None:
        here = [self.name]
        before, after = self._hand.code(self._parameters, here, settings)
        instead = self._hand.code_without_list(self._parameters, self.name)
        self.by_hand = (before, self._with_twins(after, here), self._with_twins(instead, here))
        before, after = self._chosen.code(self._parameters, names, settings)
        self.call = (before, self._with_twins(after, names))

    def _with_twins(self, code: str, names: Sequence[str]) -> str:
        """The code, and where one of the parameters is tied the line that prunes its twins."""
        twins = self._parameters.twins_in_code(names)
        return f"{code}\n{twins}" if twins else code

    def _rows(self) -> list[dict[str, Any]]:
        """The parameters, and how much of each is pruned."""
        rows, ours, seen = [], self._applies.masks(), self._parameters.seen_tensors
        for name, place in self._parameters.places.items():
            row: dict[str, Any] = {
                "name": name,
                "shape": list(place.values.shape),
                "total": place.values.numel(),
                "gone": 0,
            }
            if place.mask is not None:
                kept = ours.get(name)
                if kept is not None and seen.get(f"{name}_mask") == kept.seen:
                    row["gone"] = kept.gone
                else:
                    row["gone"] = int((place.mask == 0).sum())
            if name in self._gone_at:
                row["steps"] = self._gone_at[name]
            rows.append(row)
        return rows

    # What is chosen

    @property
    def _hand(self) -> ByHand:
        """The technique whose mask is painted."""
        return next(one for one in self._all.values() if isinstance(one, ByHand))

    def _offers(self, technique: Technique) -> bool:
        return technique.fits(self.name, self._parameters)

    def _where(self) -> str:
        return f" for a tensor of shape {tuple(self._parameters[self.name].values.shape)}"

    def _settings(self, number: int = 0, technique: Technique | None = None) -> Settings:
        options = {option: getattr(self, option) for option in (technique or self._chosen).options}
        return Settings(options, self.seed, self._painted)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Set several traits inside, and look once, later."""
        quiet, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = quiet

    _quiet = False

    @traitlets.observe("name", "technique", "seed", "dim", "n", "m")
    def _settings_chosen(self, change: traitlets.Bunch) -> None:
        if self._quiet:
            return
        with self._in_the_panel():
            self._painted = None  # what was painted was painted on another picture
            sentence = self._fit_settings() if change.name == "name" else ""
            self._look(anew=change.name in ("name", "technique", "dim", "m"))
            self._say(sentence)

    def _fit_settings(self) -> str:
        """Choose other settings where those of the last parameter do not fit this one."""
        values = self._parameters[self.name].values
        with self._together():
            if self.dim >= values.dim():
                self.dim = 0
            sizes = group_sizes(values)
            if sizes and self.m not in sizes:
                self.m = sizes[-1]
            if self._offers(self._chosen):
                return ""
            sentence = (
                f"{self._chosen.label} does not fit {self.name} of shape {tuple(values.shape)}"
            )
            self.technique = self._menu()[0]["value"]
            return f"{sentence}: {self._chosen.label} instead."

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices: ``painted`` holds a byte for each entry, 1 kept, 0 pruned."""
        painted = choices.pop("painted", None)
        if painted is None:
            super()._choose(choices)
            return
        del choices["technique"]  # painting chooses it
        shape = self._parameters[choices["name"]].values.shape
        if len(painted) != shape.numel():
            raise ValueError(f"{len(painted)} entries were painted of {shape.numel()}")
        super()._choose(choices)
        self.mask = torch.tensor(np.frombuffer(painted, "u1")).view(shape)

    # Checks

    @traitlets.validate("name")
    def _valid_name(self, proposal: traitlets.Bunch) -> str:
        with self._refusing():
            self._parameters.check(proposal.value)
            return str(proposal.value)

    @traitlets.validate("dim")
    def _valid_dim(self, proposal: traitlets.Bunch) -> int:
        shape = tuple(self._parameters[self.name].values.shape)
        dims = max(1, len(shape))
        with self._refusing():
            if not -dims <= proposal.value < dims:
                raise IndexError(f"Invalid index {proposal.value} for tensor of size {shape}")
            return int(proposal.value) % dims

    @traitlets.validate("n")
    def _valid_n(self, proposal: traitlets.Bunch) -> float:
        with self._refusing():
            if proposal.value not in NORMS:
                raise ValueError(f'n={proposal.value!r} should be 1, 2 or float("inf")')
            return NORMS[NORMS.index(proposal.value)]

    @traitlets.validate("m")
    def _valid_m(self, proposal: traitlets.Bunch) -> int:
        with self._refusing():
            if proposal.value < 1:
                raise ValueError(f"m={proposal.value} should be a positive number")
            return int(proposal.value)
