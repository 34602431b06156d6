"""What all widgets share: errors said in the panel, following the model, slow work, a picture."""

from __future__ import annotations

import io
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import traitlets
from IPython import get_ipython
from matplotlib.figure import Figure

from prune_lab.widgets.background import Background
from prune_lab.widgets.dialogue import Dialogue
from prune_lab.widgets.frontend import STYLE

_shown: weakref.WeakSet[Panel] = weakref.WeakSet()  # in a front end; they may look at one model


class Panel(Dialogue):
    """A widget that says its errors in its panel and is up to date after every cell.

    It also is after every button of another panel, for both may show one model. It stops following
    when it is closed, and pauses while no front end shows it: a cell that is run again leaves its
    old panel behind, and that must cost nothing.

    A subclass sets ``_esm = script("its.js")``, ``_controls`` and ``_buttons``, and writes
    ``refresh``, ``_figure`` and ``__repr__``.
    """

    _css = STYLE

    message = traitlets.Unicode(help="one sentence for the panel").tag(sync=True)
    failed = traitlets.Bool(help="whether the message says that something went wrong").tag(
        sync=True
    )

    def __init__(self) -> None:
        super().__init__()
        self._shell = get_ipython()
        # Where cells are followed: until a front end shows it. A cell that is run again and again
        # leaves panels behind that nobody ever saw.
        self._hidden = self._shell is not None
        self._said = 0  # how often something was: the same failure may come twice
        self._views = 0
        self._background = Background()
        self.add_class("prune-lab")
        self.on_msg(lambda _widget, content, buffers: self._hear(content, buffers))
        if self._shell is not None:
            self._shell.events.register("post_run_cell", self._after_cell)

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove the panel, stop its work and stop following the cells."""
        if self.comm is None:  # closed already, or its constructor refused the arguments
            return
        self._background.cancel()
        _shown.discard(self)
        if self._shell is not None:
            self._shell.events.unregister("post_run_cell", self._after_cell)
        super().close()

    def _after_cell(self, result: object = None) -> None:
        if not self._hidden:
            with self._in_the_panel():
                self.refresh()

    def _hear(self, content: dict[str, Any], buffers: list[Any] | None = None) -> None:
        """Take a question of the browser's; it also reports each view that comes and goes."""
        asked = content.get("ask")
        if asked in ("shown", "hidden"):
            self._count_views(1 if asked == "shown" else -1)
        elif asked == "question":
            self._take_question(content, buffers or [])
            if content.get("press"):
                for panel in list(_shown):
                    if panel is not self:
                        panel._after_cell()

    def _count_views(self, change: int) -> None:
        self._views = max(0, self._views + change)
        was_hidden, self._hidden = self._hidden, self._views == 0
        if self._hidden:
            _shown.discard(self)
            self._background.pause()
        else:
            _shown.add(self)
            if was_hidden:
                self._background.resume()
                self._after_cell()

    @contextmanager
    def _in_the_panel(self) -> Iterator[None]:
        """Whatever goes wrong inside is said in the panel, in one sentence, without traceback."""
        before = self._said
        try:
            yield
            if self.failed and self._said == before:  # what failed before now works
                self._say("")
        except Exception as error:
            sentence = str(error).partition("\n")[0] or type(error).__name__
            self._say(sentence, failed=True)

    def _say(self, sentence: str, failed: bool = False) -> None:
        self._said += 1
        with self.hold_sync():
            self.message, self.failed = sentence, failed

    def _figure(self) -> Figure:
        """Draw what the panel shows."""
        raise NotImplementedError

    def _repr_mimebundle_(
        self, **kwargs: dict[Any, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        with self._in_the_panel():
            self.refresh()
        shown = super()._repr_mimebundle_(**kwargs)
        bundle, metadata = shown or ({}, {})
        picture = io.BytesIO()
        self._figure().savefig(picture, format="png", dpi=72, bbox_inches="tight")
        return {**bundle, "text/plain": repr(self), "image/png": picture.getvalue()}, metadata
