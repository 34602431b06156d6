"""Kernels that begin with torch imported: forked from a process that has imported it.

A test's kernel is a process of its own, as in any JupyterLab, but most of the seconds that it takes
to begin are the import of torch, over and over. So Jupyter's kernel is told to be

    python kernels.py SOCKET -f CONNECTION_FILE

which asks the process at SOCKET (``python kernels.py SOCKET``) to fork one, and lives as long as
that does: when either is killed, the other ends too.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def forked(data: Path, socket_path: Path) -> Iterator[Callable[[], None]]:
    """Have a Jupyter whose data is in ``data`` fork its kernels; what waits until it can."""
    command = [sys.executable, __file__, str(socket_path)]
    spec = {
        "argv": [*command, "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "interrupt_mode": "message",  # a signal would reach who asked for the fork
    }
    place = data / "kernels" / "python3" / "kernel.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(spec))
    first = subprocess.Popen(command)

    def wait_until_up() -> None:
        # Jupyter calls a kernel dead that has not answered within a minute.
        while not socket_path.exists():
            assert first.poll() is None, "the process that forks kernels has ended"
            time.sleep(0.1)

    try:
        yield wait_until_up
    finally:
        first.terminate()
        first.wait()


def serve(address: str) -> None:
    """Fork a kernel for each that asks, until this process is ended."""
    # Not ipywidgets: JupyterLab asks a kernel that has it for its widgets, another one it does not.
    # Nor pyplot, which asks the shell for its events when it is imported; all of matplotlib wants
    # to know the backend then, and a kernel names the same.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    figures = ("matplotlib.figure", "matplotlib.backends.backend_agg")
    for heavy in ("ipykernel.kernelapp", "sklearn.datasets", *figures):
        importlib.import_module(heavy)
    torch = importlib.import_module("torch")
    torch.export.export(torch.nn.Identity(), (torch.ones(1),))  # imports as much again

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries those that have ended
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    while True:
        asker, _ = server.accept()
        if os.fork() == 0:
            server.close()
            become_kernel(asker)
        asker.close()


def become_kernel(asker: socket.socket) -> None:
    """Turn this process into the kernel that was asked for; never return."""
    from ipykernel.kernelapp import launch_new_instance

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    sent, files, *_ = socket.recv_fds(asker, 1 << 20, 2)
    asked = json.loads(sent)
    for file, here in zip(files, (1, 2), strict=True):
        os.dup2(file, here)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.environ.pop("JPY_PARENT_PID", None)  # the parent is another one
    os.chdir(asked["folder"])
    sys.argv = ["ipykernel_launcher", *asked["arguments"]]
    sys.path.insert(0, asked["folder"])

    def end_with_asker() -> None:
        asker.recv(1)
        os._exit(1)

    threading.Thread(target=end_with_asker, daemon=True).start()
    try:
        launch_new_instance()
    finally:
        atexit._run_exitfuncs()
        os._exit(0)


def ask(address: str, arguments: list[str]) -> None:
    """Ask for a kernel, and wait for its end."""
    with socket.socket(socket.AF_UNIX) as asker:
        while True:  # the first ones come before it serves
            try:
                asker.connect(address)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.05)
        asked = {"environment": dict(os.environ), "folder": os.getcwd(), "arguments": arguments}
        socket.send_fds(asker, [json.dumps(asked).encode()], [1, 2])
        asker.recv(1)


if __name__ == "__main__":
    _, address, *arguments = sys.argv
    del sys.path[0]  # this folder, whose notebook.py is not Jupyter's
    if arguments:
        ask(address, arguments)
    else:
        serve(address)
