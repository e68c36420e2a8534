"""Segmenters by name: an ONNX file, or a model of the package transformers. Nothing is imported before it is asked for.

Neither executes what it reads: ONNX files are run by OpenCV, and transformers reads safetensors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gim_data.errors import GimError
from gim_data.files import from_home
from gim_data.labels.config import LabelsConfig, SegmenterConfig
from gim_data.labels.engine import Frames
from gim_data.labels.segments import SegmentedMasks, Segmenter, shown
from gim_data.masks import EVERYWHERE, Masks
from gim_data.types import Image

_KINDS = "use onnx:<file> or transformers:<folder or hub name>"


def open_masks(frames: Frames, config: LabelsConfig, root: Path) -> Masks:
    """The masks that ``labels.segmenter`` asks for.

    Args:
        frames: the sampled frames of a video.
        config: of labelling.
        root: where relative paths begin.

    Raises:
        GimError: see ``open_segmenter``; or the model lacks a class.
    """
    if config.segmenter is None:
        return EVERYWHERE
    return SegmentedMasks(frames, open_segmenter(config.segmenter, root, device=config.device), config.segmenter)


def open_segmenter(config: SegmenterConfig, root: Path, *, device: str = "cpu") -> Segmenter:
    """The model that a configuration names.

    Args:
        config: ``model`` is ``onnx:<file>`` or ``transformers:<folder or hub name>``.
        root: where relative paths begin.
        device: torch device of a model of transformers; ONNX files run on the CPU.

    Raises:
        GimError: another kind of model, one that is not there or cannot be read, or transformers is not installed.
    """
    kind, _, name = config.model.partition(":")
    if kind == "onnx" and name:
        return OnnxSegmenter(root / from_home(name), config)
    if kind == "transformers" and name:
        return TransformersSegmenter(_located(name, root), config, device=device)
    raise GimError(f"labels.segmenter.model: {config.model!r} is no segmenter", _KINDS)


class OnnxSegmenter:
    """An ONNX file run by OpenCV: (1, 3, h, w) in; logits (1, C, h', w') or class numbers (1, 1, h', w') out.

    Class names are the lines of a text file beside it, ``model.txt`` beside ``model.onnx``.

    Raises:
        GimError: the file is missing or is nothing that OpenCV can run.
    """

    def __init__(self, path: Path, config: SegmenterConfig) -> None:
        self._path, self._config = path, config
        names = path.with_suffix(".txt")
        self.classes: Sequence[str] = names.read_text().splitlines() if names.is_file() else []
        if not path.is_file():
            raise GimError(f"labels.segmenter.model: {path} is not there", "give the path of an ONNX file")
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise GimError(
                f"{path} cannot be read as ONNX: {error.err}", "export the model again, opset 11 to 17"
            ) from error

    def classify(self, image: Image, /) -> NDArray[np.integer[Any]]:
        """See ``Segmenter``.

        Raises:
            GimError: OpenCV cannot run the network on pictures of this size, or it is no segmenter.
        """
        seen = shown(image, self._config)
        try:
            self._net.setInput(seen)
            out = np.asarray(self._net.forward())
        except cv2.error as error:
            raise GimError(
                f"{self._path} cannot be run on {seen.shape[3]}x{seen.shape[2]} pixels: {error.err}",
                "set labels.segmenter.size to the size that the model was exported for",
            ) from error
        if out.ndim == 3:  # class numbers without an axis of their own
            out = out[:, None]
        if out.ndim != 4 or min(out.shape) < 1:
            raise GimError(f"{self._path} gives {out.shape}, not (1, classes, h, w)", "export a semantic segmenter")
        return np.asarray(out[0].argmax(axis=0) if out.shape[1] > 1 else np.round(out[0, 0]), np.int64)


class TransformersSegmenter:
    """Any model of transformers for semantic segmentation: SegFormer, UPerNet, DPT, MobileViT...

    Raises:
        GimError: transformers is not installed, or cannot load the model.
    """

    def __init__(self, name: str, config: SegmenterConfig, *, device: str = "cpu") -> None:
        if find_spec("transformers") is None:
            raise GimError("transformers is not installed", "pip install transformers, or export the model to ONNX")
        opener = import_module("transformers").AutoModelForSemanticSegmentation
        try:
            model = opener.from_pretrained(name, use_safetensors=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise GimError(
                f"labels.segmenter.model: transformers cannot load {name}: {error}", "name a folder with safetensors"
            ) from error
        self._model, self._config, self._device = model.to(device).eval(), config, device
        labels = model.config.id2label
        self.classes: Sequence[str] = [labels.get(number, str(number)) for number in range(max(labels) + 1)]

    def classify(self, image: Image, /) -> NDArray[np.integer[Any]]:
        """See ``Segmenter``."""
        import torch

        with torch.inference_mode():
            logits = self._model(torch.from_numpy(shown(image, self._config)).to(self._device)).logits
        return np.asarray(logits[0].argmax(0).cpu().numpy())


def _located(name: str, root: Path) -> str:
    """A folder's path where there is one of that name, else the name as the hub knows it."""
    folder = root / from_home(name)
    return str(folder) if folder.is_dir() else name
