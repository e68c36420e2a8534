"""Where the cells of frozen XFeat stand, on which the demo sizes of DKM, RoMa and LoFTR build."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gim_data.errors import GimError
from gim_models.sparse.xfeat import published_xfeat

SIZE = (384, 288)
CELL = 8


def texture() -> np.ndarray:
    rng, image = np.random.default_rng(0), np.zeros((SIZE[1], SIZE[0], 3), np.float32)
    for side in (4, 8, 20):
        patch = rng.random((SIZE[1] // side + 2, SIZE[0] // side + 2, 3)).astype(np.float32)
        image += cv2.resize(patch, SIZE, interpolation=cv2.INTER_NEAREST) / 3
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def mutual(descriptors: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Cells (x, y) of two maps that choose each other, the second below the cell by a parabola along each axis."""
    height, width = descriptors.shape[-2:]
    first, second = descriptors.flatten(2)
    similarity = first.T @ second
    best = similarity.argmax(1)
    index = torch.arange(height * width)
    x, y = best % width, best // width
    inner = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    index = index[(similarity.argmax(0)[best] == index) & inner]
    best, found = best[index], []
    for step in (1, width):
        before, centre, after = (similarity[index, best + k * step] for k in (-1, 0, 1))
        found.append(0.5 * (after - before) / (2 * centre - before - after).clamp(min=1e-6))
    cells = [torch.stack([i % width, i // width], -1).double() for i in (index, best)]
    return cells[0].numpy(), (cells[1] + torch.stack(found, -1)).numpy()


@pytest.mark.parametrize(("turn", "zoom"), [(15, 1.0), (0, 1.3)])
def test_a_cell_is_described_at_its_middle(turn, zoom):
    """What stands beside the middle by o lands beside it by (A - I) o; for corners, o would be 5 pixels."""
    try:
        extractor = published_xfeat()
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")
    A = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), turn, zoom)
    image = texture()
    images = torch.from_numpy(np.stack([image, cv2.warpAffine(image, A, SIZE, flags=cv2.INTER_CUBIC)]))
    cells0, cells1 = mutual(extractor.dense(images.permute(0, 3, 1, 2)).descriptors)
    middle0, middle1 = (CELL * cells + (CELL - 1) / 2 for cells in (cells0, cells1))
    beside = middle1 - (middle0 @ A[:, :2].T + A[:, 2])
    right = np.linalg.norm(beside, axis=1) < CELL
    assert right.sum() > 400
    lever = np.linalg.solve(A[:, :2] - np.eye(2), np.median(beside[right], axis=0))
    assert np.linalg.norm(lever) < 1.5


def test_a_quarter_cell_is_described_at_its_middle():
    """A zoom takes every place elsewhere; descriptions agree most if they are read where they belong."""
    try:
        extractor = published_xfeat()
    except GimError as error:
        pytest.skip(f"published weights are not installed: {error.problem}")
    zoom, image = 1.5, texture()
    enlarged = cv2.warpAffine(image, np.array([[zoom, 0, 0], [0, zoom, 0]]), (576, 416), flags=cv2.INTER_CUBIC)
    places = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([320.0, 220]) + 30

    def read(pixels: np.ndarray, points: torch.Tensor, middle: float) -> torch.Tensor:
        cells = extractor.quarter(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        grid = 2 * ((points - middle) / 4 + 0.5) / torch.tensor([cells.shape[-1], cells.shape[-2]]) - 1
        return F.grid_sample(cells, grid[None, None], mode="bicubic", align_corners=False)[0, :, 0]

    def agreement(middle: float) -> float:
        return float(F.cosine_similarity(read(image, places, middle), read(enlarged, zoom * places, middle), 0).mean())

    assert max((0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0), key=agreement) in (1.5, 2.0)
