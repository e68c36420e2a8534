"""GIM's published checkpoints become folders that ``open_matcher`` reads: strictly, and never running their code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import BaseModel
from torch import Tensor

from gim_data.errors import GimError
from gim_data.stage import load
from gim_models.folder import read_safetensors, write_folder
from gim_models.official.names import Shape, published_names


@dataclass(frozen=True)
class Layout:
    """How one published checkpoint is recognised and read.

    Attributes:
        checkpoint: its published name without the ending, also the name of its table.
        matcher: the prefix under which ``open_matcher`` opens the folder.
        signature: a name that only this checkpoint has, after the renames.
        config: ``"module:attribute"`` of the pydantic model whose defaults describe the network.
        renames: prefixes that differ between the releases of one file, and what they become.
        dropped: prefixes of tensors that the network never had or the method never uses.
        frozen: the prefix that DINOv2's weights get, which the checkpoint needs beside it; empty if it needs none.
    """

    checkpoint: str
    matcher: str
    signature: str
    config: str
    renames: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    frozen: str = ""


LAYOUTS = (
    Layout(
        "gim_loftr_50h",
        "loftr",
        "loftr_coarse.layers.0.q_proj.weight",
        "gim_models.semidense.matcher:LoftrConfig",
        renames=(("model.", ""), ("matcher.", "")),
    ),
    Layout(
        "gim_lightglue_100h",
        "superpoint+lightglue",
        "model.transformers.0.self_attn.Wqkv.weight",
        "gim_models.sparse.official:OfficialGlueConfig",
        renames=(("superpoint.", "detector."),),
    ),
    Layout(
        "gim_dkm_100h",
        "dkm",
        "decoder.gps.32.pos_conv.weight",
        "gim_models.dense.matcher:DkmConfig",
        renames=(("model.", ""),),
        dropped=("encoder.net.fc.",),
    ),
    Layout(
        "gim_roma_100h",
        "roma",
        "decoder.embedding_decoder.to_out.weight",
        "gim_models.dense.matcher:RomaConfig",
        renames=(("model.", ""),),
        frozen="encoder.dinov2.",
    ),
)
"""Every layout that can be imported."""

DINOV2 = "dinov2_vitl14"


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        checkpoint: the layout that was recognised.
        matcher: the name for ``open_matcher``.
        tensors: how many there are.
        parameters: how many numbers they hold.
    """

    checkpoint: str
    matcher: str
    tensors: int
    parameters: int


def import_checkpoint(file: Path, folder: Path, dinov2: Path | None = None) -> Imported:
    """Read a published checkpoint and write ``folder`` with ``weights.safetensors`` and ``config.json``.

    Args:
        file: a ``.ckpt`` or ``.pth`` (read as plain weights, code in it is refused), or a ``.safetensors``.
        folder: to write; the files in it are replaced.
        dinov2: DINOv2's own ``dinov2_vitl14_pretrain.pth``, which ``gim_roma_100h`` needs; else None.

    Raises:
        GimError: the file is unreadable, of none of ``LAYOUTS``, or differs from its layout; every unknown, missing,
            misshapen or non-finite tensor is named.
    """
    state = read_checkpoint(file)
    layout, renamed = recognise(state, file)
    check(renamed, published_names(layout.checkpoint), file, layout.checkpoint)
    if layout.frozen:
        renamed |= {layout.frozen + name: value for name, value in read_dinov2(dinov2, layout.checkpoint).items()}
    config = cast(type[BaseModel], load(layout.config))()
    write_folder(folder, config, renamed)
    count = sum(value.numel() for value in renamed.values())
    return Imported(layout.checkpoint, f"{layout.matcher}:{folder}", len(renamed), count)


def read_dinov2(file: Path | None, checkpoint: str) -> dict[str, Tensor]:
    """The frozen weights that a checkpoint stands on.

    Raises:
        GimError: no file was given, or it is another one.
    """
    if file is None:
        remedy = "download dinov2_vitl14_pretrain.pth from DINOv2's publisher and pass it with --dinov2"
        raise GimError(f"{checkpoint} was published without the DINOv2 it stands on", remedy)
    state = read_checkpoint(file)
    check(state, published_names(DINOV2), file, DINOV2)
    return state


def read_checkpoint(file: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, taken out of Lightning's ``state_dict`` if that is around them.

    Raises:
        GimError: the file is missing, damaged, holds code or no tensors.
    """
    if file.suffix == ".safetensors":
        return read_safetensors(file)
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        remedy = "download it anew; a file that needs code to be read is never opened"
        raise GimError(f"{file} is no plain file of weights: {error}", remedy) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise GimError(f"{file} holds no state dict", "pass one of GIM's published checkpoints")
    return dict(content)


def recognise(state: Mapping[str, Tensor], file: Path) -> tuple[Layout, dict[str, Tensor]]:
    """Which layout the names are of, and the tensors under that layout's names.

    Raises:
        GimError: no layout fits, or two tensors would get one name.
    """
    for layout in LAYOUTS:
        kept = [(_rename(name, layout), value) for name, value in state.items()]
        kept = [(name, value) for name, value in kept if not name.startswith(layout.dropped or ("\0",))]
        if any(name == layout.signature for name, _ in kept):
            renamed = dict(kept)
            if len(renamed) < len(kept):
                raise GimError(f"{file} has one tensor under two prefixes", "download it anew")
            return layout, renamed
    known = ", ".join(layout.checkpoint for layout in LAYOUTS)
    raise GimError(f"{file} is none of the checkpoints that can be imported", f"pass one of {known}")


def _rename(name: str, layout: Layout) -> str:
    for old, new in layout.renames:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def check(state: Mapping[str, Tensor], expected: Mapping[str, Shape], file: Path, checkpoint: str) -> None:
    """Compare name by name, shape by shape.

    Raises:
        GimError: listing whatever differs, and every tensor that is not finite.
    """
    problems = [f"unknown {name}" for name in sorted(set(state) - set(expected))]
    problems += [f"missing {name}" for name in sorted(set(expected) - set(state))]
    for name in sorted(set(expected) & set(state)):
        if tuple(state[name].shape) != expected[name]:
            problems.append(f"{name} is {tuple(state[name].shape)}, not {expected[name]}")
        elif not torch.isfinite(state[name]).all():
            problems.append(f"{name} is not finite")
    if problems:
        raise GimError(f"{file} is not {checkpoint}: " + "; ".join(problems), "download the published file anew")
