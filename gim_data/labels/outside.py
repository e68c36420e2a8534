"""What labels depend on that is neither a parameter nor a stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gim_data.errors import GimError
from gim_data.files import fingerprint, from_home
from gim_data.stage import Params


def outside(unit: str, params: Params, root: Path) -> Any:
    """The files of the segmenter; None without one, or with one of a hub.

    Raises:
        GimError: an ONNX file that is not there.
    """
    config = params["labels"].segmenter
    if config is None:
        return None
    kind, _, name = config.model.partition(":")
    path = root / from_home(name)
    if kind == "onnx" and not path.is_file():
        raise GimError(f"labels.segmenter.model: {path} is not there", "give the path of an ONNX file")
    parts = path.iterdir() if path.is_dir() else (path, path.with_suffix(".txt"))
    files = [[part.name, fingerprint(part)] for part in sorted(parts) if part.is_file()]
    return {"segmenter": files} if files else None
