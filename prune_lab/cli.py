"""The `prune-lab` command: copy and open the course, look whether all is well, release, grade."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from prune_lab.course.signing import sign
from prune_lab.course.start import CourseError, course_notebooks, lab_notebooks, start

NO_NOTEBOOKS = (
    "No notebooks here: prune-lab start FOLDER makes your copy; run prune-lab lab in that folder, "
    "or inside a clone of PruneLab."
)
IMPORT_NAMES = {"scikit-learn": "sklearn"}  # where it differs from the name that pip installs
LAB_EXTENSIONS = {
    "@jupyter-widgets/jupyterlab-manager": "jupyterlab-widgets",
    "anywidget": "anywidget",
}
PIP = f"{sys.executable} -m pip install"


class Finding(NamedTuple):
    """One line of the doctor: what was looked at, and what to do when it is not well."""

    subject: str
    remedy: str = ""


def lab() -> int:
    """Open the first notebook in JupyterLab; without a display, print its address instead."""
    chapters = lab_notebooks()
    if not chapters:
        print(NO_NOTEBOOKS)
        return 1
    sign(chapters)
    from jupyterlab.labapp import LabApp

    options = [
        "--ip=127.0.0.1",
        "--log-level=WARN",
        f"--ServerApp.root_dir={chapters[0].parent}",
        f"--LabApp.default_url=/lab/tree/{chapters[0].name}",
    ]
    if sys.platform == "linux":
        if not any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
            options.append("--no-browser")  # else a text browser would take over the terminal
        if os.geteuid() == 0:
            options.append("--allow-root")  # in a container everyone is root
    print("Starting JupyterLab; Ctrl-C twice ends it.", flush=True)
    LabApp.launch_instance(options)
    return 0


def doctor() -> int:
    """Print one line for each thing the course needs; 1 when something is to be mended."""
    ill = 0
    for finding in examine():
        ill += bool(finding.remedy)
        print(f"{'mend ' if finding.remedy else 'ok   '} {finding.subject}")
        if finding.remedy:
            print(f"       -> {finding.remedy}")
    print(f"{ill} to mend." if ill else "Everything is in place: prune-lab lab opens the course.")
    return 1 if ill else 0


def examine() -> Iterator[Finding]:
    """Look at Python, the packages, Jupyter's widget extensions, the kernel and the notebooks."""
    version = sys.version.split()[0]
    recent = sys.version_info >= (3, 10)
    yield Finding(f"Python {version}", "" if recent else "Use Python 3.10 or newer.")
    yield from examine_packages()
    try:
        yield from examine_jupyter()
    except ImportError as error:
        yield Finding(f"Jupyter: {error}", "Mend the packages named above first.")
    chapters = course_notebooks() or lab_notebooks()
    yield Finding(f"notebooks: {len(chapters)}", "" if chapters else NO_NOTEBOOKS)


def examine_packages() -> Iterator[Finding]:
    """Every dependency at a version that the package's own metadata admits, and importable."""
    try:
        needed = metadata.requires("prune-lab") or []
    except metadata.PackageNotFoundError:
        yield Finding("prune-lab is not installed", "Run: pip install -e .")
        return
    for line in needed:
        if not applies(line):
            continue
        name = line.split(">=")[0]
        remedy = f"Run: {PIP} '{line}'"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(f"{name} is missing", remedy)
            continue
        if not admits(line, version):
            yield Finding(f"{name} {version} is outside of {line}", remedy)
            continue
        try:
            importlib.import_module(IMPORT_NAMES.get(name, name))
        except Exception as error:  # a broken library may raise anything: name it and go on
            remedy = f"Run: {PIP} --force-reinstall '{line}'"
            yield Finding(f"{name} {version} does not import: {error}", remedy)
        else:
            yield Finding(f"{name} {version}")


def admits(requirement: str, version: str) -> bool:
    """Whether `version` satisfies a line of requirements.

    >>> admits("torch>=2.5", "2.13.0+cpu"), admits("torch>=2.5", "2.4.1")
    (True, False)
    """
    from packaging.requirements import Requirement

    return Requirement(requirement).specifier.contains(version, prereleases=True)


def applies(requirement: str) -> bool:
    """Whether a line of requirements is for this Python, and for no extra.

    >>> applies("torch>=2.5"), applies("tomli>=2; python_version < '3'"), applies("x; extra == 'y'")
    (True, False, False)
    """
    from packaging.requirements import Requirement

    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate({"extra": ""})


def examine_jupyter() -> Iterator[Finding]:
    """The widget extensions where this JupyterLab looks for them, and the kernel's Python."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.config import get_page_config

    page = get_page_config(jupyter_path("labextensions"))
    found = {extension["name"] for extension in page["federated_extensions"]}
    for name, package in LAB_EXTENSIONS.items():
        subject = f"JupyterLab extension {name}"
        if name not in found:
            yield Finding(f"{subject} is missing", f"Run: {PIP} --force-reinstall {package}")
        elif name in page["disabledExtensions"]:
            yield Finding(f"{subject} is disabled", f"Run: jupyter labextension enable {name}")
        else:
            yield Finding(subject)

    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        program = "missing"
    # Jupyter replaces a bare name by the Python that runs it.
    ours = program in {"python", "python3"} or Path(program).parent == Path(sys.executable).parent
    remedy = f"Run: {sys.executable} -m ipykernel install --sys-prefix, or remove the other kernel"
    yield Finding(f"kernel python3: {program}", "" if ours else remedy)


def begin(folder: Path) -> int:
    """Make a learner's copy of the course, or add to it what is missing."""
    added, kept = start(folder)
    sign(folder / name for name in added)
    for name in added:
        print(f"new   {folder / name}")
    for name in kept:
        print(f"kept  {folder / name}, as it is")
    print(f"Now: cd {folder} and prune-lab lab")
    return 0


def hand_out(form: str, out: Path) -> int:
    """Write the course for learners, for nbgrader, or solved."""
    from prune_lab.course.release import release

    for path in release(form, out):
        print(path)
    return 0


def mark(folder: Path, table: Path) -> int:
    """Grade a folder of learners' notebooks into a table."""
    from prune_lab.course.grade import grade, isolated

    if not isolated():
        print("This system cannot keep learners' code from the network and from your files.")
    graded = 0
    for row in grade(folder, table):
        graded += 1
        print(f"{row.notebook}: {row.points} of {row.possible}  {row.note}".rstrip(), flush=True)
    print(f"{graded} graded now; {table} has them all.")
    return 0


def run_study(study: Path, jobs: int, dask: str | None) -> int:
    """Run what is missing of a study."""
    from prune_lab.experiments.command import run_file

    return run_file(study, jobs, dask)


def report(records: Path, figure: Path | None) -> int:
    """Print the table of a file of records, and draw its figure."""
    from prune_lab.experiments.command import report_file

    return report_file(records, figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 when all is well, 1 when something is to be mended."""
    parser = argparse.ArgumentParser(prog="prune-lab", description="See and understand pruning.")
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("start", help="copy the course's notebooks into a folder")
    command.add_argument("folder", type=Path, help="yours; what is in it is never overwritten")
    command.set_defaults(run=begin)

    commands.add_parser("lab", help="open the notebooks in JupyterLab").set_defaults(run=lab)

    command = commands.add_parser("doctor", help="check that everything is in place")
    command.set_defaults(run=doctor)

    command = commands.add_parser("release", help="write the course for learners or teachers")
    forms = command.add_mutually_exclusive_group(required=True)
    forms.add_argument("--to", dest="form", choices=["plain", "nbgrader"])
    forms.add_argument("--solved", dest="form", action="store_const", const="solved")
    command.add_argument("out", type=Path, help="an empty folder, or one to be made")
    command.set_defaults(run=hand_out)

    command = commands.add_parser("grade", help="grade a folder of learners' notebooks")
    command.add_argument("folder", type=Path, help="holds the notebooks, in folders or not")
    command.add_argument("--csv", dest="table", type=Path, required=True, help="the table to write")
    command.set_defaults(run=mark)

    command = commands.add_parser("run", help="run the trials of a study that have no record yet")
    command.add_argument("study", type=Path, help="a TOML file; the records lie beside it")
    command.add_argument("--jobs", type=int, default=-1, help="trials at a time; else every core")
    command.add_argument("--dask", metavar="ADDRESS", help="the scheduler of a Dask cluster")
    command.set_defaults(run=run_study)

    command = commands.add_parser("report", help="print the table of a study, and draw it")
    command.add_argument("records", type=Path, help="the JSON lines beside the study")
    command.add_argument("--figure", type=Path, help="PNG or SVG; else a PNG beside the records")
    command.set_defaults(run=report)

    options = vars(parser.parse_args(arguments))
    try:
        result: int = options.pop("run")(**options)
    except CourseError as error:
        print(error)
        return 1
    except KeyboardInterrupt:
        print("Stopped.")
        return 130
    return result


if __name__ == "__main__":
    sys.exit(main())
