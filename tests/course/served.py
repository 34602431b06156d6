"""What a JupyterLab that a test has just started serves."""

from __future__ import annotations

import time
import urllib.error
import urllib.request


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
