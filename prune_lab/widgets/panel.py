"""What all widgets share: errors said in the panel, following the model, slow work, a picture."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets
import traitlets
from matplotlib.figure import Figure

from prune_lab.widgets import lifetime
from prune_lab.widgets.background import Background
from prune_lab.widgets.dialogue import Dialogue, Layout, one_at_a_time
from prune_lab.widgets.frontend import style


class Panel(Dialogue):
    """A widget that says its errors in its panel and is up to date after every cell.

    It also is after every button of another panel, for both may show one model. Only a panel that
    a front end shows follows and works: a cell that is run again leaves its old panel behind, and
    that must cost nothing. One that was never displayed goes when it is dropped.

    A subclass sets ``_esm = script("its.js")``, ``_controls`` and ``_buttons``, and writes
    ``refresh``, ``_figure`` and ``__repr__``.

    Args:
        layout: of the panel, as every ipywidget takes it.
    """

    _css = style()  # of a path, anywidget would hold every panel for ever

    message = traitlets.Unicode(help="one sentence for the panel").tag(sync=True)
    failed = traitlets.Bool(help="whether the message says that something went wrong").tag(
        sync=True
    )

    _closed = False
    borrowed = False  # whether another widget may hold it by its name

    def __init__(self, layout: Layout = None) -> None:
        lifetime.clear()
        self._background = Background()
        self._said = 0  # how often something was: the same failure may come twice
        self._views = 0
        self.own_layout = not isinstance(layout, ipywidgets.Layout)
        super().__init__(layout)

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        raise NotImplementedError

    # From the constructor to the end

    def open(self) -> None:
        """Open the comm; ipywidgets does so in the constructor."""
        if self.comm is None:
            if self.layout.comm is None:
                self.layout.open()
            super().open()
        lifetime.hold_weakly(self)
        self.borrowed = False

    @property
    def model_id(self) -> str:
        """The name under which front ends know the panel; asking for it wakes one that sleeps.

        Whoever asks may show the panel inside another widget: it does not sleep by itself then.
        """
        if self.comm is None and not self._closed:
            self.open()
        self.borrowed = True
        return super().model_id

    def sleep(self) -> None:
        """Close the comm and stop the work; displayed anew, the panel wakes."""
        self._background.cancel()
        self._views = 0
        lifetime.forget(self)
        if self.comm is not None:
            super().close()
            self.__dict__.pop("_repr_mimebundle_", None)  # ipywidgets makes a closed one mute
            if self.own_layout:  # another may serve other widgets
                self.layout.close()

    def close(self) -> None:
        """Remove the panel, stop its work and stop following the cells."""
        with one_at_a_time:
            if not self._closed:
                self._closed = True
                self.sleep()

    # When Python ends it takes modules apart before what they made: a default is still there then.
    def __del__(self, python_ends: Callable[[], bool] = sys.is_finalizing) -> None:
        if "_views" in self.__dict__ and not python_ends():  # or it was never made
            lifetime.bury(self)

    @property
    def _hidden(self) -> bool:
        return self._views == 0

    @property
    def shown_elsewhere(self) -> bool:
        """Whether there are more views than the one of the cell that displays the panel."""
        return self._views > 1

    def look_again(self) -> None:
        """Look at the model again, if the panel is on a screen."""
        if not self._hidden:
            with self._in_the_panel():
                self.refresh()

    def follow_cell(self) -> None:
        """Look at the model again after a cell."""
        self.look_again()

    def _handle_custom_msg(self, content: dict[str, Any], buffers: list[Any] | None = None) -> None:
        """Take a question of the browser's; it also knocks, and reports each view."""
        super()._handle_custom_msg(content, buffers)
        asked = content.get("ask")
        if asked in ("shown", "here"):
            self.send({"here": content.get("from")})  # see presence.js
        if asked == "again":
            self.send_state()
        elif asked in ("shown", "hidden"):
            self._count_views(1 if asked == "shown" else -1)
        elif asked == "question":
            self._take_question(content, buffers or [])
            if content.get("press"):
                lifetime.after_button(self)

    def _count_views(self, change: int) -> None:
        was_hidden = self._hidden
        self._views = max(0, self._views + change)
        lifetime.seen(self, self._views)
        if self._hidden:
            self._background.cancel()
        elif was_hidden:
            self.look_again()
            self._go_to_work()

    def _go_to_work(self) -> None:
        """Begin what is to be done beside the kernel while the panel is on a screen."""

    # What it says

    @contextmanager
    def _in_the_panel(self) -> Iterator[None]:
        """Whatever goes wrong inside is said in the panel, in one sentence, without traceback."""
        before = self._said
        try:
            yield
            if self.failed and self._said == before:  # what failed before now works
                self._say("")
        except Exception as error:
            self._say_error(error)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """What is refused inside is said in the panel too: the one who set it may not hear of it.

        A slider that is linked to a trait only writes its error into a log.
        """
        try:
            yield
        except Exception as error:
            self._say_error(error)
            raise

    def _say_error(self, error: Exception) -> None:
        self._say(str(error).partition("\n")[0] or type(error).__name__, failed=True)

    def _say(self, sentence: str, failed: bool = False) -> None:
        self._said += 1
        with self.hold_sync():
            self.message, self.failed = sentence, failed

    def _figure(self) -> Figure:
        """Draw what the panel shows."""
        raise NotImplementedError

    def _words(self) -> str:
        """Tell what the panel shows to those who do not see its picture."""
        return repr(self)

    def _caption(self) -> str:
        """Tell what the picture itself does not, in a line under it."""
        return ""

    def _repr_mimebundle_(
        self, **kwargs: dict[Any, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        with one_at_a_time:
            return None if self._closed else self._displayed(**kwargs)

    def _displayed(self, **kwargs: dict[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Wake, and give a front end the panel, and its picture to those who show no panels."""
        if self.comm is None:
            self.open()
        lifetime.displayed(self)
        with self._in_the_panel():
            self.refresh()
        borrowed = self.borrowed
        shown = super()._repr_mimebundle_(**kwargs)
        self.borrowed = borrowed  # this name was asked for by ourselves
        bundle, metadata = shown or ({}, {})
        picture, figure = io.BytesIO(), self._figure()
        if caption := self._caption():
            figure.text(0.02, 0, caption, fontsize=11, va="top", parse_math=False)
        figure.savefig(picture, format="png", dpi=72, bbox_inches="tight")
        return (
            {**bundle, "text/plain": repr(self), "image/png": picture.getvalue()},
            {**metadata, "image/png": {"alt": self._words()}},
        )
