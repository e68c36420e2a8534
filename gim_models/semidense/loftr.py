"""LoFTR as GIM trains it: colour in, sub-pixel matches out (Sun et al., CVPR 2021; GIM.md 3.3).

The transformers and the position encoding are kornia's. The steps between them are small functions here, because
training needs them one by one: labels are sampled into the grids, windows are cut at labels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.feature.loftr.loftr_module import LocalFeatureTransformer
from kornia.feature.loftr.utils.position_encoding import PositionEncodingSine
from torch import Tensor, nn
from torch.nn import functional as F

from gim_models.seeding import seeded
from gim_models.semidense.backbone import load_published_xfeat, pyramid
from gim_models.semidense.shape import LoftrShape

COARSE = 8  # pixels per coarse cell
FINE = 2  # pixels per fine cell
_NEVER = -1e9  # similarity of cells that must not match; finite, so that a masked row has a softmax
_LEAST_VARIANCE = 1e-10


class Grids(NamedTuple):
    """The features of a batch of images.

    Attributes:
        coarse: (B, C, h, w) at 1/8, with position encoding; cell (x, y) sits on pixel (8 x, 8 y).
        fine: (B, F, 4 h, 4 w) at 1/2.
        valid: (B, h, w) bool, False where padding or a mask forbids matching; None for everywhere.
    """

    coarse: Tensor
    fine: Tensor
    valid: Tensor | None


class Cells(NamedTuple):
    """Coarse matches of a batch.

    Attributes:
        batch: (M,) which pair.
        index0, index1: (M,) cells, row by row.
        confidence: (M,) in [0, 1].
    """

    batch: Tensor
    index0: Tensor
    index1: Tensor
    confidence: Tensor


class Refined(NamedTuple):
    """Where in its window a match is.

    Attributes:
        offset: (M, 2) x, y in [-1, 1] from the centre of the window in image 1 to its border.
        deviation: (M,) standard deviation of the heat map, x and y added; low is sure.
    """

    offset: Tensor
    deviation: Tensor


class LoFTR(nn.Module):
    """The network; with the default shape its names and sizes are those of ``gim_loftr_50h``.

    Args:
        shape: its size.
    """

    def __init__(self, shape: LoftrShape) -> None:
        super().__init__()
        self.shape = shape
        self.backbone = pyramid(shape)
        # The encoding with LoFTR's precedence slip is what every published LoFTR was trained with, GIM's too.
        self.pos_encoding = PositionEncodingSine(shape.coarse_dim, temp_bug_fix=False)
        self.loftr_coarse = _transformer(shape.coarse_dim, shape.coarse_heads, shape.coarse_pairs)
        self.loftr_fine = _transformer(shape.fine_dim, shape.fine_heads, shape.fine_pairs)

    def grids(self, images: Tensor, allowed: Tensor | None = None) -> Grids:
        """Features of (B, 3, H, W) images in [0, 1], sides multiples of 8.

        Args:
            images: the images.
            allowed: (B, H, W) bool, where matching is allowed; None for everywhere.
        """
        coarse, fine = self.backbone(images)
        valid = None if allowed is None else allowed[:, ::COARSE, ::COARSE]
        return Grids(self.pos_encoding(coarse), fine, valid)

    def tokens(self, grids0: Grids, grids1: Grids) -> tuple[Tensor, Tensor]:
        """Coarse tokens (B, h w, C) of both images after they have seen each other."""
        sequences = [grids.coarse.flatten(2).transpose(1, 2).contiguous() for grids in (grids0, grids1)]
        masks = [None if grids.valid is None else grids.valid.flatten(1) for grids in (grids0, grids1)]
        seen: tuple[Tensor, Tensor] = self.loftr_coarse(*sequences, *masks)
        return seen

    def similarity(self, tokens0: Tensor, tokens1: Tensor) -> Tensor:
        """Logits (B, L, S) of the dual softmax."""
        return tokens0 / (tokens0.shape[-1] * self.shape.temperature) @ tokens1.transpose(1, 2)

    def refine(self, grids0: Grids, grids1: Grids, cells: Cells) -> Refined:
        """Find the match of the centre of every window of image 0 inside the window of image 1."""
        side = self.shape.window
        window0 = windows(grids0.fine, cells.batch, cells.index0, grids0.coarse.shape[-1], side)
        window1 = windows(grids1.fine, cells.batch, cells.index1, grids1.coarse.shape[-1], side)
        if len(cells.batch):
            window0, window1 = self.loftr_fine(window0, window1)
        return expectation(window0[:, side**2 // 2], window1)

    def reach(self) -> int:
        """Pixels from the centre of a fine window to its border, what an offset of 1 means."""
        return FINE * (self.shape.window // 2)


def _transformer(width: int, heads: int, pairs: int) -> nn.Module:
    module: nn.Module = LocalFeatureTransformer(
        {"d_model": width, "nhead": heads, "layer_names": ["self", "cross"] * pairs, "attention": "linear"}
    )
    return module


def dual_softmax(similarity: Tensor, valid0: Tensor | None, valid1: Tensor | None) -> Tensor:
    """Confidence (B, L, S): softmax over both images, multiplied; 0 where ``valid`` (B, h, w) forbids."""
    forbidden = None
    for valid, axis in ((valid0, 2), (valid1, 1)):
        if valid is not None:
            outside = ~valid.flatten(1).unsqueeze(axis)
            forbidden = outside if forbidden is None else forbidden | outside
    if forbidden is None:
        return _both_softmaxes(similarity)
    return _both_softmaxes(similarity.masked_fill(forbidden, _NEVER)).masked_fill(forbidden, 0)


def _both_softmaxes(similarity: Tensor) -> Tensor:
    """Over rows by torch; over columns by hand, for torch's kernel strides through memory there and takes longer."""
    columns = (similarity - similarity.amax(1, keepdim=True)).exp_()
    return similarity.softmax(2) * columns * (1 / columns.sum(1, keepdim=True))


@torch.no_grad()
def select(confidence: Tensor, grids0: Grids, grids1: Grids, threshold: float, border: int) -> Cells:
    """Mutual best cells above ``threshold`` that keep ``border`` cells away from the edge of what is valid."""
    best0, partner = confidence.max(2)
    best1 = confidence.amax(1)
    inside0, inside1 = (_off_border(grids, border) for grids in (grids0, grids1))
    chosen = (best0 > threshold) & (best1.gather(1, partner) == best0) & inside0 & inside1.gather(1, partner)
    batch, index0 = chosen.nonzero(as_tuple=True)
    return Cells(batch, index0, partner[batch, index0], best0[batch, index0])


def _off_border(grids: Grids, border: int) -> Tensor:
    """(B, h w) bool: at least ``border`` cells from the first and from the last valid row and column."""
    count, _, height, width = grids.coarse.shape
    valid = grids.valid
    if valid is None:
        valid = torch.ones(count, height, width, dtype=torch.bool, device=grids.coarse.device)
    rows = torch.arange(height, device=valid.device)[None]
    columns = torch.arange(width, device=valid.device)[None]
    last_row = torch.where(valid.any(2), rows, -1).amax(1, keepdim=True)
    last_column = torch.where(valid.any(1), columns, -1).amax(1, keepdim=True)
    keep_row = (rows >= border) & (rows <= last_row - border)
    keep_column = (columns >= border) & (columns <= last_column - border)
    return (keep_row[:, :, None] & keep_column[:, None]).flatten(1)


def windows(fine: Tensor, batch: Tensor, index: Tensor, width: int, side: int) -> Tensor:
    """Cut (M, side², F) windows out of fine maps (B, F, H, W), centred on coarse cells; zero outside the map.

    Args:
        fine: the maps.
        batch: (M,) which map.
        index: (M,) coarse cells, row by row.
        width: coarse cells in a row.
        side: of the window, in fine cells.
    """
    radius = side // 2
    padded = F.pad(fine, [radius] * 4)
    steps = torch.arange(side, device=fine.device)
    rows = (index // width * (COARSE // FINE))[:, None] + steps
    columns = (index % width * (COARSE // FINE))[:, None] + steps
    cut = padded[batch[:, None, None], :, rows[:, :, None], columns[:, None]]
    return cut.flatten(1, 2)


def expectation(query: Tensor, window: Tensor) -> Refined:
    """Where queries (M, F) are in windows (M, side², F): mean and deviation of their softmax."""
    count, cells, channels = window.shape
    heat = torch.einsum("mc,mrc->mr", query, window).div(channels**0.5).softmax(1)
    axis = torch.linspace(-1, 1, round(cells**0.5), device=window.device, dtype=window.dtype)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([x, y], -1).view(1, cells, 2)
    mean = (heat[..., None] * grid).sum(1)
    variance = (heat[..., None] * grid**2).sum(1) - mean**2
    return Refined(mean, variance.clamp(min=_LEAST_VARIANCE).sqrt().sum(-1).view(count))


def seeded_loftr(shape: LoftrShape, seed: int) -> LoFTR:
    """An untrained network that depends on ``seed`` alone; a frozen backbone has its published weights.

    Raises:
        GimError: the published weights of the backbone are not installed.
    """
    net = seeded(lambda: LoFTR(shape), seed)
    load_published_xfeat(net.backbone)
    return net
