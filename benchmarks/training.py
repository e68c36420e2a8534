"""CPU seconds of one training pair, forward and backward, for every architecture at its demo size, on one core.

Run: ``python benchmarks/training.py [ARCH ...]``. CPU time and not wall time, so that a busy machine changes little;
the second of two steps is told. A pair is a textured image and itself, warped and relit as in training, at the default
training size.
"""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np
import torch

from gim_models.training.augment import augment
from gim_models.training.config import Student, TrainConfig
from gim_models.training.families.family import FAMILIES, family_of
from gim_models.training.sample import Batch, Geometry, Sample, collate


def textured(width: int, height: int) -> Batch:
    """One exact pair."""
    rng = np.random.default_rng(0)
    image = np.zeros((height, width, 3), np.float32)
    for cell in (4, 12, 40):
        patch = rng.random((height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        image += cv2.resize(patch, (width, height), interpolation=cv2.INTER_NEAREST)
    flat, none = np.ones((height, width), np.float32), np.zeros((0, 2), np.float32)
    box, picture = np.array([0, 0, width, height], np.float32), (image * 80).astype(np.uint8)
    geometry = Geometry(flat, flat, np.eye(3), np.eye(3), np.eye(4))
    return collate([Sample("texture", picture, picture, box, box, none, none, geometry)])


def main() -> None:
    """Time and print."""
    torch.set_num_threads(1)
    config = TrainConfig()
    batch = textured(*config.image_size)
    for arch in sys.argv[1:] or sorted(FAMILIES):
        family = family_of(arch)
        network = family.start(Student(name=arch, arch=arch), 0).train()
        for step in range(2):
            generator = torch.Generator().manual_seed(step)
            started = time.process_time()
            views = augment(batch, config.augment, generator)
            family.loss(network, batch, views, config, generator).total.backward()
            taken = time.process_time() - started
        trained = sum(value.numel() for value in network.parameters() if value.requires_grad)
        print(f"{arch:10} {taken:6.2f} s a pair   {trained / 1e6:5.2f} M trained parameters", flush=True)


if __name__ == "__main__":
    main()
