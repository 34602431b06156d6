"""Questions and answers between a panel in the browser and its Python object."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import anywidget
import ipywidgets
import traitlets

Layout: TypeAlias = (
    ipywidgets.Layout | dict[str, str] | None
)  # of ipywidgets: width, height, border, ...
# JupyterLab may hand over what the browser sends in a thread of its own, beside the cells and what
# follows them. Panels may show one model or one question: all of them take one thing after another.
one_at_a_time = threading.RLock()
ASKERS = 20  # pages whose last question is remembered; one that is reloaded is a new one


class Dialogue(anywidget.AnyWidget):
    """Python's half of the dialogue whose rules stand in ``static/dialogue.js``.

    The browser sets no trait. It sends numbered questions, each with what the reader has chosen
    since the last and perhaps a button that was pressed; they come in the order in which the
    reader did these things. Python takes the choices all together or not at all, does what the
    button says, and answers in one message, with whatever else has changed: up to which number it
    has heard, and how the controls stand now. Every state that it sends has a number.

    A subclass names its controls and its buttons.
    """

    _controls: tuple[str, ...] = ()  # the traits that the reader's hand moves
    _buttons: tuple[str, ...] = ()  # the methods that the browser may call
    # The controls that other widgets of a page may move, by ipywidgets' jslink. The browser's
    # attribute of that name is a letter box within the page: what is put in comes here as a
    # question, and Python neither takes anything out of it nor puts anything in. So no echo can
    # overwrite anything newer.
    _linked: tuple[str, ...] = ()
    _serial = 0  # how many states have left Python

    answer = traitlets.Dict(
        help="heard: the number of each asker's last question; controls: how they stand"
    ).tag(sync=True)

    def __init__(self, layout: Layout = None) -> None:
        self._heard: dict[str, int] = {}
        self._reply()
        super().__init__(**({} if layout is None else {"layout": layout}))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Leave the letter boxes to the browser."""
        super().set_state({n: value for n, value in sync_data.items() if n not in self._linked})

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Number the states that leave Python: a host may lay an older one over a newer one.

        JupyterLab, for one, asks for the states of all panels when a page is loaded anew, more
        than once, and what it is told may come to the panel after what Python has said since.
        """
        state: dict[str, Any] = super().get_state(key, drop_defaults=drop_defaults)
        if state:
            self._serial += 1
            state["_serial"] = self._serial
        return state

    def _should_send_property(self, key: str, value: Any) -> bool:
        return key not in self._linked and bool(super()._should_send_property(key, value))

    def _handle_msg(self, message: dict[str, Any]) -> None:
        with one_at_a_time:
            super()._handle_msg(message)

    def _take_question(self, content: dict[str, Any], buffers: list[Any]) -> None:
        asker, number = str(content["from"]), int(content["number"])
        if number <= self._heard.get(asker, 0):
            return
        with self.hold_sync():
            with self._in_the_panel():
                choices = dict(content["choices"])
                choices |= zip(content["bytes"], map(bytes, buffers), strict=True)
                if choices:
                    self._choose(choices)
                if content.get("press") in self._buttons:
                    self._press(content["press"])
            self._heard[asker] = number
            while len(self._heard) > ASKERS:
                del self._heard[next(iter(self._heard))]
            self._reply()

    def _press(self, button: str) -> None:
        """Do what a button of the browser's says."""
        getattr(self, button)()

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices; one that does not fit is refused, and with it the others.

        Raises:
            TraitError: a choice that does not fit; nobody has heard of any of them.
        """
        if unknown := set(choices) - set(self._controls):
            raise traitlets.TraitError(f"{', '.join(sorted(unknown))} cannot be chosen here")
        with self.hold_trait_notifications():
            try:
                for name, value in choices.items():
                    read = self.trait_metadata(name, "from_json", lambda sent, _: sent)
                    self.set_trait(name, read(value, self))
                for name in choices:
                    getattr(type(self), name)._cross_validate(self, getattr(self, name))
            except Exception as error:  # of a TraitError alone, traitlets takes the choices back
                raise traitlets.TraitError(str(error) or type(error).__name__) from error

    def _stand(self) -> dict[str, Any]:
        """How the controls stand, as the browser reads it."""
        return {
            name: self.trait_metadata(name, "to_json", lambda value, _: value)(
                getattr(self, name), self
            )
            for name in self._controls
        }

    @traitlets.observe(traitlets.All)
    def _control_moved(self, change: traitlets.Bunch) -> None:
        if change.name in self._controls:
            self._reply()

    def _reply(self) -> None:
        self.answer = {"heard": dict(self._heard), "controls": self._stand()}

    @contextmanager
    def _in_the_panel(self) -> Iterator[None]:
        """Say in the panel what goes wrong inside."""
        raise NotImplementedError
        yield
