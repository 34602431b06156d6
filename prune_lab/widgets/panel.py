"""What all widgets share: errors said in the panel, following the cells, slow work, a picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anywidget
import traitlets
from IPython import get_ipython
from matplotlib.figure import Figure

from prune_lab.widgets.background import Background
from prune_lab.widgets.frontend import STYLE


class Panel(anywidget.AnyWidget):
    """A widget that says its errors in its panel and is up to date after every cell.

    It stops following the cells when it is closed, and pauses while no front end shows it: a cell
    that is run again leaves its old panel behind, and that must cost nothing.

    A subclass sets ``_esm = script("its.js")`` and ``_buttons``, and writes ``refresh``,
    ``_figure`` and ``__repr__``.
    """

    _css = STYLE
    _buttons: tuple[str, ...] = ()  # the methods that the browser may call

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
        self.on_msg(lambda _widget, content, _buffers: self._hear(content))
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
        if self._shell is not None:
            self._shell.events.unregister("post_run_cell", self._after_cell)
        super().close()

    def _after_cell(self, result: object = None) -> None:
        if not self._hidden:
            with self._in_the_panel():
                self.refresh()

    def _hear(self, content: dict[str, Any]) -> None:
        """Do what the browser asks: it reports its views, and its buttons call public methods."""
        asked = content.get("ask")
        if asked in ("shown", "hidden"):
            self._views = max(0, self._views + (1 if asked == "shown" else -1))
            was_hidden, self._hidden = self._hidden, self._views == 0
            if self._hidden:
                self._background.pause()
            elif was_hidden:
                self._background.resume()
                self._after_cell()
        elif asked in self._buttons:
            with self._in_the_panel():
                getattr(self, asked)()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser sends; what does not fit changes nothing and is said."""
        before = {name: getattr(self, name) for name in sync_data if self.has_trait(name)}
        with self._in_the_panel():
            try:
                super().set_state(sync_data)
            except Exception:
                self._trait_values.update(before)
                self.send_state(list(before))  # the browser shows what holds
                raise

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
