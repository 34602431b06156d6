"""The doctor is tried on real ills: each test breaks one thing and wants it named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prune_lab.course.saving import PICTURE, VIEW
from tests.course.served import address_printed_by, page_at, save_at

ROOT = Path(__file__).parents[2]

SHOWN = {
    "output_type": "display_data",
    "data": {VIEW: {"model_id": "a1"}, PICTURE: "iVBORw0KGgo="},
    "metadata": {PICTURE: {"alt": "a panel"}},
}
CELL = {"cell_type": "code", "execution_count": 1, "id": "a", "metadata": {}, "source": ""}
WITH_A_PANEL = {
    "cells": [{**CELL, "outputs": [SHOWN]}],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the package and one chapter, as a clone has them."""
    shutil.copytree(ROOT / "prune_lab", tmp_path / "clone/prune_lab")
    chapter = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "clone/notebooks").mkdir()
    (tmp_path / "clone/notebooks/01-first.ipynb").write_text(json.dumps(chapter))
    return tmp_path / "clone"


@pytest.fixture
def light_clone(clone: Path) -> Path:
    """The same with an empty torch and scikit-learn, which take long to import."""
    for slow in ("torch", "sklearn"):
        (clone / f"{slow}.py").touch()
    return clone


def prune_lab(
    clone: Path, command: str, first: Path | None = None, before: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `prune-lab command` in `clone`, with `first` first on the path and `before` run first."""
    path = os.pathsep.join(str(p) for p in (first, clone) if p)
    code = f"import sys; {before}\nfrom prune_lab.cli import main; sys.exit(main([{command!r}]))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
    )


def ills(result: subprocess.CompletedProcess[str]) -> str:
    """What the doctor wants mended; a run that ends with a traceback fails here."""
    assert "Traceback" not in result.stderr, result.stderr
    return "\n".join(line for line in result.stdout.splitlines() if line.startswith("mend"))


def test_a_healthy_house_is_ok(clone: Path) -> None:
    result = prune_lab(clone, "doctor")
    assert (result.returncode, ills(result)) == (0, ""), result.stdout
    for part in ("Python", "torch", "ipywidgets", "jupyterlab-manager", "kernel", "notebooks: 1"):
        assert f"{part}" in result.stdout


def test_a_torch_that_does_not_import_is_named(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch_cpu.so: cannot open')")
    result = prune_lab(clone, "doctor", first=tmp_path)
    assert result.returncode == 1
    assert "torch" in ills(result) and "libtorch_cpu.so: cannot open" in ills(result)
    assert "--force-reinstall 'torch>=" in result.stdout


def test_a_package_that_is_too_old_is_named(light_clone: Path, tmp_path: Path) -> None:
    old = tmp_path / "ipywidgets-7.8.1.dist-info/METADATA"
    old.parent.mkdir()
    old.write_text("Metadata-Version: 2.1\nName: ipywidgets\nVersion: 7.8.1\n")
    result = prune_lab(light_clone, "doctor", first=tmp_path)
    assert result.returncode == 1
    assert "ipywidgets 7.8.1 is outside of ipywidgets>=8.1" in ills(result)


def test_a_package_that_is_missing_is_named(light_clone: Path) -> None:
    # Hidden from the interpreter that examines: its metadata cannot be found any more.
    hide = (
        "from importlib import metadata as m; real = m.Distribution.from_name.__func__\n"
        "def hidden(cls, name):\n"
        "    if name == 'anywidget': raise m.PackageNotFoundError(name)\n"
        "    return real(cls, name)\n"
        "m.Distribution.from_name = classmethod(hidden)"
    )
    result = prune_lab(light_clone, "doctor", before=hide)
    assert result.returncode == 1
    assert "anywidget is missing" in ills(result)
    assert "pip install 'anywidget>=" in result.stdout


def test_widget_extensions_out_of_sight_of_this_jupyter_are_named(
    light_clone: Path, tmp_path: Path
) -> None:
    # As when jupyter belongs to another environment than the packages.
    result = prune_lab(light_clone, "doctor", before=f"sys.prefix = {str(tmp_path)!r}")
    assert result.returncode == 1
    assert "@jupyter-widgets/jupyterlab-manager is missing" in ills(result)
    assert "JupyterLab extension anywidget is missing" in ills(result)


def test_a_disabled_widget_extension_is_named(light_clone: Path, tmp_path: Path) -> None:
    config = tmp_path / "labconfig/page_config.json"
    config.parent.mkdir()
    config.write_text('{"disabledExtensions": {"@jupyter-widgets/jupyterlab-manager": true}}')
    result = prune_lab(light_clone, "doctor", JUPYTER_CONFIG_DIR=str(tmp_path))
    assert result.returncode == 1
    assert "jupyterlab-manager is disabled" in ills(result)


def test_a_kernel_of_another_python_is_named(light_clone: Path, tmp_path: Path) -> None:
    kernel = tmp_path / "kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["/opt/other/bin/python"], "display_name": "", "language": ""}')
    result = prune_lab(light_clone, "doctor", JUPYTER_PATH=str(tmp_path))
    assert result.returncode == 1
    assert "kernel python3: /opt/other/bin/python" in ills(result)


@pytest.mark.parametrize("command", ["doctor", "lab"])
def test_without_notebooks_it_says_where_they_are(light_clone: Path, command: str) -> None:
    shutil.rmtree(light_clone / "notebooks")
    result = prune_lab(light_clone, command)
    assert result.returncode == 1
    assert "clone of PruneLab" in result.stdout


def test_lab_without_a_display_prints_an_address_that_opens_the_first_notebook(
    clone: Path, tmp_path: Path
) -> None:
    (clone / "notebooks/02-second.ipynb").write_text("{}")
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"PYTHONPATH": str(clone), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    command = [sys.executable, "-m", "prune_lab.cli", "lab"]
    with address_printed_by(command, clone, environment) as address:
        assert "/lab/tree/01-first.ipynb?token=" in address
        assert "JupyterLab" in page_at(address)
        # What it saves keeps the pictures of panels whose kernel will be gone.
        save_at(address, "02-second.ipynb", WITH_A_PANEL)
        assert "prune-lab-stored" in (clone / "notebooks/02-second.ipynb").read_text()
