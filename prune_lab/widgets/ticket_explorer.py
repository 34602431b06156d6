"""TicketExplorer: lottery tickets round by round, what is left of them, and how they learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from prune_lab import plots
from prune_lab.experiments.tickets import alike, pictures
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.panel import Panel

CURVES = ["ticket", "new start", "shuffled", "dense"]
COLOURS = ["#1f7ad1", "#c8690a", "#2f8f4e", "#b04fc2"]  # as in curve.js


class TicketExplorer(Panel):
    """See tickets grow smaller round by round, and how fast they and their controls learn.

    Two sliders choose the round and the step of training, and each seed can be taken out. On the
    left is the first layer of the ticket of the first seed that is in, on the right each chosen
    seed's curves and, stronger, their means: the ticket, a new start (other first weights under
    the same masks), shuffled (the same first weights under masks that were shuffled within each
    layer), and the dense network. Nothing is measured here: all is in what was given.

    Attributes:
        round: 0 is the dense network.
        look: which of the ``steps`` the numbers are of, from 0.
        seeds: the seeds that are in, at least one.
        kept: by round, the fraction of the weights that are left.
        steps: of training, after which digits were read.
        curves: by ``"ticket"``, ``"new start"``, ``"shuffled"`` and ``"dense"``: accuracies on the
            test digits, [seed][round][look].

    Args:
        results: by seed, what ``prune_lab.experiments.tickets.trial`` returned.
        layout: of the panel, as every ipywidget takes it.

    Raises:
        TypeError: ``results`` does not map seeds to such results.
        ValueError: there is no result, or they are not of the same rounds, steps and layers.

    >>> from prune_lab.experiments.tickets import trial
    >>> explorer = TicketExplorer({0: trial(0, rounds=1, looks=(0, 1))})
    >>> explorer.round = 1
    >>> explorer
    TicketExplorer(round=1, kept=64.0%, after 1 steps, seeds=[0])
    """

    _esm = script("ticket_explorer.js")
    _controls = ("round", "look", "seeds")

    round = traitlets.Int(help="which ticket, 0 is the dense network")
    look = traitlets.Int(help="which of the steps, from 0")
    seeds = traitlets.List(traitlets.Int(), help="those that are in")
    known = traitlets.List(traitlets.Int(), help="all seeds, in order").tag(sync=True)
    kept = traitlets.List(traitlets.Float(), help="fraction of weights, by round").tag(sync=True)
    steps = traitlets.List(traitlets.Int(), help="when digits were read").tag(sync=True)
    curves = traitlets.Dict(help="[seed][round][look] by name").tag(sync=True)
    shape = traitlets.List(traitlets.Int(), help="of a picture").tag(sync=True)
    pictures = traitlets.Bytes(
        help="uint8, [seed][round][cell]: how much of the first layer is kept there, 0 to 255"
    ).tag(sync=True)
    ramp = traitlets.List(
        traitlets.Unicode(), plots.RAMP, help="colours '#rrggbb' from the lowest value up"
    ).tag(sync=True)

    def __init__(self, results: Mapping[int, Mapping[str, Any]], *, layout: Layout = None) -> None:
        first = alike(results)
        super().__init__(layout)
        self._pictures = np.stack([pictures(result).numpy() for result in results.values()])
        with self.hold_sync():
            self.known, self.kept, self.steps = [*results], first["kept"], first["steps"]
            self.shape, self.pictures = first["shape"], self._pictures.tobytes()
            curves = {n: [result["test"][n] for result in results.values()] for n in CURVES[:3]}
            dense = [[rounds[0]] * len(rounds) for rounds in curves["ticket"]]
            self.curves = {**curves, "dense": dense}
            self.look, self.seeds = len(self.steps) - 1, self.known

    def refresh(self) -> None:
        """Do nothing: what is shown does not change by itself."""

    def accuracies(self, name: str) -> np.ndarray:
        """Return the accuracies of the chosen seeds in this round, float (seeds, looks).

        Raises KeyError for a name that is none of "ticket", "new start", "shuffled" and "dense".
        """
        chosen = [self.known.index(seed) for seed in self.seeds]
        return np.array(self.curves[name])[chosen, self.round]

    @traitlets.validate("round")
    def _check_round(self, proposal: traitlets.Bunch) -> int:
        return self._within(proposal, len(self.kept))

    @traitlets.validate("look")
    def _check_look(self, proposal: traitlets.Bunch) -> int:
        return self._within(proposal, len(self.steps))

    def _within(self, proposal: traitlets.Bunch, count: int) -> int:
        with self._refusing():
            if not 0 <= proposal.value < count:
                raise traitlets.TraitError(
                    f"{proposal.trait.name} should be from 0 to {count - 1}, not {proposal.value}"
                )
        return proposal.value

    @traitlets.validate("seeds")
    def _check_seeds(self, proposal: traitlets.Bunch) -> list[int]:
        with self._refusing():
            if not proposal.value or not set(proposal.value) <= set(self.known):
                raise traitlets.TraitError(
                    f"seeds should be some of {self.known}, not {proposal.value}"
                )
        return sorted(set(proposal.value), key=self.known.index)

    # How it shows itself without a browser

    def __repr__(self) -> str:
        return (
            f"TicketExplorer(round={self.round}, kept={self.kept[self.round]:.1%}, "
            f"after {self.steps[self.look]} steps, seeds={self.seeds})"
        )

    def _figure(self) -> Figure:
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
        picture = self._pictures[self.known.index(self.seeds[0]), self.round]
        there = np.ma.masked_equal(picture.reshape(-1, self.shape[-1]) / max(picture.max(), 1), 0)
        left.imshow(there, plots.COLORMAP.with_extremes(bad=plots.PRUNED_FACE), vmin=-1, vmax=1)
        left.set(xticks=[], yticks=[])
        left.set_title(f"kept in the first layer, seed {self.seeds[0]}", fontsize=10)
        for name, colour in zip(CURVES, COLOURS, strict=True):
            five = self.accuracies(name)
            right.plot(self.steps, five.T, color=colour, alpha=0.25, linewidth=1)
            right.plot(self.steps, five.mean(axis=0), color=colour, linewidth=2, label=name)
        right.set_xscale("function", functions=(np.sqrt, np.square))  # early steps have more room
        right.set(xlim=(0, self.steps[-1]), ylim=(0, 1.02), xticks=self.steps[::3])
        right.set(xlabel="steps of training", ylabel="accuracy")
        right.axvline(self.steps[self.look], color="grey", linewidth=1)
        right.yaxis.set_major_formatter(PercentFormatter(1))
        right.set_title(f"round {self.round}, {self.kept[self.round]:.1%} kept", fontsize=10)
        right.spines[["top", "right"]].set_visible(False)
        right.legend(loc="lower right", frameon=False)
        return figure
