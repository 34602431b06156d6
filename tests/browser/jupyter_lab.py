"""A JupyterLab of its own, on a copy of the notebooks."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

from prune_lab.course.saving import CONFIGURATION
from tests.browser import kernels

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class JupyterLab(NamedTuple):
    """A running JupyterLab: tests may put notebooks of their own into `folder`."""

    url: str
    token: str
    folder: Path

    def address(self, notebook: str) -> str:
        """The page that opens `notebook` (a path inside `folder`), in a fresh workspace."""
        workspace = secrets.token_hex(4)
        return f"{self.url}/lab/workspaces/{workspace}/tree/{notebook}?token={self.token}"

    def end_kernels(self) -> None:
        """Shut down every kernel: a closed page leaves its own at work, and in memory."""
        for session in json.load(self._api("GET", "sessions")):
            self._api("DELETE", f"sessions/{session['id']}").close()

    def _api(self, method: str, path: str) -> HTTPResponse:
        """Ask the server itself (jupyter_server's REST API)."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/api/{path}", headers=headers, method=method)
        return urllib.request.urlopen(request, timeout=60)


@contextmanager
def running(root: Path) -> Iterator[JupyterLab]:
    """A server that keeps all it writes in ``root``, and no settings of the user's."""
    folder = root / "notebooks"
    shutil.copytree(
        NOTEBOOKS, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "guesses")
    )
    no_news = root / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    no_news.parent.mkdir(parents=True)
    no_news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab = JupyterLab(f"http://127.0.0.1:{port}", secrets.token_hex(16), folder)
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = {**os.environ, **{name: str(root / place) for name, place in own.items()}}
    environment["JUPYTER_PREFER_ENV_PATH"] = "0"  # of two kernels of one name take that in `data`
    environment["JUPYTER_CONFIG_PATH"] = str(CONFIGURATION)  # as `prune-lab lab` has it
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={lab.token}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.expose_app_in_browser=True"]  # tests open and close notebooks by it
    with kernels.forked(root / "data", root / "kernels.socket") as wait_until_kernels_are:
        with (root / "server.log").open("w") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_until_up(lab, server, root / "server.log")
            wait_until_kernels_are()
            yield lab
        finally:
            server.terminate()  # the server then shuts its kernels down
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_until_up(lab: JupyterLab, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers; fail with its log when it ends or stays silent."""
    end = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < end:
        try:
            lab._api("GET", "status").close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")
