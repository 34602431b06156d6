"""What a JupyterLab that a test has just started serves."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def address_printed_by(
    command: list[str], folder: Path, environment: dict[str, str]
) -> Iterator[str]:
    """Start a server, yield the address that it prints, and end it."""
    server = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed = (line.strip() for line in server.stdout or ())
        yield next((line for line in printed if line.startswith("http://127.0.0.1:")), "")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def page_at(address: str) -> str:
    """The page, when the server is there: it prints its address before it listens."""
    end = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as page:
                return page.read().decode()
        except urllib.error.URLError as error:
            refused = isinstance(error.reason, ConnectionRefusedError)
            if not refused or time.monotonic() > end:
                raise
            time.sleep(0.1)


def save_at(address: str, name: str, notebook: dict[str, Any]) -> None:
    """Save a notebook there, as JupyterLab does."""
    parts = urllib.parse.urlsplit(address)
    request = urllib.request.Request(
        f"http://{parts.netloc}/api/contents/{name}",
        data=json.dumps({"type": "notebook", "content": notebook}).encode(),
        headers={"Authorization": f"token {urllib.parse.parse_qs(parts.query)['token'][0]}"},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=60).close()
