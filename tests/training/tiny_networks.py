"""Every family at a size that trains in seconds, and what a test needs to run it."""

from __future__ import annotations

from gim_models.dense.dkm import DkmShape, seeded_dkm
from gim_models.dense.refiner import RefinerShape
from gim_models.dense.roma import demo_roma, seeded_roma
from gim_models.semidense.shape import LoftrShape
from gim_models.sparse.lightglue import GlueShape, seeded_glue
from gim_models.sparse.superglue import SuperGlueShape, seeded_superglue
from gim_models.training.families.semidense import nearest_neighbour

ARCHES = ("dkm", "lightglue", "loftr", "roma", "superglue")
REFINERS = tuple(
    RefinerShape(scale=scale, displacement=4, radius=radius)
    for scale, radius in ((16, 2), (8, 2), (4, 1), (2, 0), (1, 0))
)
LOFTR = LoftrShape(
    backbone="xfeat", coarse_dim=32, coarse_heads=4, coarse_pairs=1, middle_dim=16, fine_dim=16, fine_heads=2
)
DKM = DkmShape(
    encoder="xfeat", project=32, gp_dim=32, feature_dim=16, decoder_dim=32, refiners=REFINERS, hidden_blocks=1
)
ROMA = demo_roma().model_copy(
    update={
        "vgg": ((6, 1), (8, 1), (12, 1), (16, 1)),
        "project": (32, 16, 12, 8, 6),
        "gp_dim": 32,
        "blocks": 1,
        "anchors": 8,
        "refiners": REFINERS,
        "hidden_blocks": 1,
    }
)


def tiny(arch: str, seed: int = 0):
    """An untrained network."""
    return {
        "dkm": lambda: seeded_dkm(DKM, seed),
        "lightglue": lambda: seeded_glue(GlueShape(descriptor_dim=32, n_layers=2), seed),
        "loftr": lambda: nearest_neighbour(LOFTR, seed),
        "roma": lambda: seeded_roma(ROMA, seed),
        "superglue": lambda: seeded_superglue(
            SuperGlueShape(descriptor_dim=64, encoder=(16,), pairs=1, num_heads=2, iterations=20), seed
        ),
    }[arch]()
