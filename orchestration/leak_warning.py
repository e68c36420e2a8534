"""What a run of the whole loop says about training pictures that are benchmark images too."""

from __future__ import annotations

from pathlib import Path

from gim_data.errors import GimError
from gim_data.files import digest_of, read_json, write_json
from gim_data.ledger import Ledger
from orchestration.soundness import nothing_leaked
from orchestration.training_pictures import posed_folders

CURVE = "scaling_curve"
_READ = ("frames", "worlds", "bench")


def leak_warning(root: Path) -> str:
    """Which benchmark images are training pictures; empty where none is, or there is no scaling curve.

    The answer is kept for these videos, worlds and posed data sets and this benchmark (``data/.work/leaks.json``), so
    asking again costs nothing.
    """
    ledger = Ledger(root)
    read = {stage: {unit: ledger.read(stage, unit) for unit in ledger.units(stage)} for stage in _READ}
    made = {stage: {u: e.content for u, e in units.items() if e and not e.skipped} for stage, units in read.items()}
    curve = ledger.read(CURVE, "all")
    if curve is None or curve.skipped or not made["bench"]:
        return ""
    path = ledger.data / ".work" / "leaks.json"
    known = _known(path)
    try:
        key = digest_of([made, [str(folder) for folder in posed_folders(root)]])
        if known.get("key") != key:
            known = {"key": key, "problem": nothing_leaked(ledger.folder(CURVE, "all")).problem}
            write_json(path, known)
    except GimError as error:
        return f"the benchmark cannot be compared with the training pictures: {error.problem}"
    return known["problem"]


def _known(path: Path) -> dict[str, str]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("problem"), str) else {}
