"""What the browser sends to a panel, as it arrives in Python."""

from __future__ import annotations

import itertools
from typing import Any

_numbers = itertools.count(1)


def asked(
    panel: Any,
    choices: dict[str, Any] | None = None,
    *,
    press: str | None = None,
    bytes: dict[str, Any] | None = None,
    asker: str = "a page",
    number: int | None = None,
) -> int:
    """Send a question through the message handlers that a front end's comm calls; its number."""
    number = next(_numbers) if number is None else number
    sent = bytes or {}
    question = {
        "ask": "question", "from": asker, "number": number,
        "choices": choices or {}, "bytes": list(sent), "press": press,
    }  # fmt: skip
    panel._handle_custom_msg(question, list(sent.values()))
    return number


def shown(panel: Any) -> Any:
    """Report a view of the panel on a screen, as a front end does; the panel."""
    panel._handle_custom_msg({"ask": "shown"}, [])
    return panel


def hidden(panel: Any) -> None:
    """Report that a view of the panel has gone."""
    panel._handle_custom_msg({"ask": "hidden"}, [])
