"""Find the Chromium that the browser tests drive; run as a script, get one where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

# Chromium without a window comes first: there a page takes a fifth of the processor's time to open,
# and JupyterLab six sevenths.
WINDOWLESS = "chromium-headless-shell"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Tests may run as root (no sandbox then) and in a closed network (no calls home).
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOW_TO_GET_ONE = (
    f"No Chromium found: install one (Debian: apt-get install {WINDOWLESS}; elsewhere: "
    "playwright install chromium) or set CHROMIUM to its path."
)


def find() -> str | None:
    """Path of a Chromium: the CHROMIUM variable, then the PATH, then what Playwright has."""
    if wanted := os.environ.get("CHROMIUM"):
        found = shutil.which(wanted)
        if found is None:
            raise FileNotFoundError(f"CHROMIUM is set to {wanted!r}, but no program is there.")
        return found
    for name in (WINDOWLESS, *NAMES):
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        return shutil.which(playwright.chromium.executable_path)


def with_apt(*packages: str) -> None:
    """Install the first of Debian's packages that there is."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20"]
    subprocess.run([*apt, "update"], env=quiet, stderr=subprocess.DEVNULL)
    for package in packages:
        command = [*apt, "install", "-y", "--no-install-recommends", package]
        if not subprocess.run(command, env=quiet, capture_output=True).returncode:
            return


def install(found: str | None) -> None:
    """Install Debian's packages when root, else Playwright's own build in the user's cache."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        print(f"browser: installing {WINDOWLESS} (a large download)", flush=True)
        with_apt(WINDOWLESS, *([] if found else ["chromium"]))
    elif not found:
        print("browser: none found, installing Chromium (a large download)", flush=True)
        # Playwright prints a stack where it fails: one sentence of ours says it better.
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    """Print the browser's path; return 1 only where its absence must fail, in CI."""
    try:
        path = find()
        if not shutil.which(WINDOWLESS) and "CHROMIUM" not in os.environ:
            install(path)
            path = find()
    except FileNotFoundError as error:
        print(error)
        return 1
    print(f"browser: {path}" if path else HOW_TO_GET_ONE)
    return 1 if path is None and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
