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
    send(panel, question, list(sent.values()))
    return number


def send(panel: Any, content: dict[str, Any], buffers: list[Any]) -> None:
    """Give a panel a message of its script, as its comm does."""
    data = {"method": "custom", "content": content}
    panel._handle_msg({"content": {"data": data}, "buffers": buffers})


def shown(panel: Any) -> Any:
    """Report a view of the panel on a screen, as a front end does; the panel."""
    send(panel, {"ask": "shown"}, [])
    return panel


def hidden(panel: Any) -> None:
    """Report that a view of the panel has gone."""
    send(panel, {"ask": "hidden"}, [])
