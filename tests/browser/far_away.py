"""A server far away: a proxy that lets every byte wait, each way, without changing the order."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.jupyter_lab import JupyterLab


class FarAway:
    """Stands before a JupyterLab; `lab` is it as seen from here.

    Attributes:
        delay: seconds that whatever is sent waits before it goes on, each way; every fifth
            message takes up to twice that, and what follows it waits behind it.
    """

    def __init__(self, lab: JupyterLab, listener: socket.socket) -> None:
        self.delay = 0.0
        self.lab = lab._replace(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        self._listener = listener
        self._port = int(lab.url.rpartition(":")[2])
        self._dice = random.Random(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:  # the end of the test
                return
            self._carry(near, far)
            self._carry(far, near)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """Two threads, so that what waits does not keep the next from coming in."""
        on_the_way: deque[tuple[float, bytes]] = deque()
        arrived = threading.Semaphore(0)

        def read() -> None:
            piece = b"..."
            while piece:
                try:
                    piece = source.recv(1 << 16)
                except OSError:
                    piece = b""
                longer = self._dice.random() if self._dice.random() < 0.2 else 0.0
                on_the_way.append((time.monotonic() + self.delay * (1 + longer), piece))
                arrived.release()

        def write() -> None:
            while True:
                arrived.acquire()
                due, piece = on_the_way.popleft()
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    if piece:
                        target.sendall(piece)
                        continue
                    target.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                return

        for work in (read, write):
            threading.Thread(target=work, daemon=True).start()


@contextmanager
def far_away(lab: JupyterLab) -> Iterator[FarAway]:
    """Open the way to ``lab`` through a proxy on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield FarAway(lab, listener)
