"""LightGlue and SuperGlue over a frozen detector: keypoints, what is known of them, and the assignment that says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from pydantic import BaseModel

from gim_data.types import Image
from gim_models.sparse.detectors import DEFAULT, DETECTORS, TrainableDetector
from gim_models.sparse.lightglue import GlueNet, GlueShape, published_glue, seeded_glue
from gim_models.sparse.matcher import StudentConfig
from gim_models.sparse.superglue import SuperGlue, SuperGlueConfig, SuperGlueShape, demo_superglue, seeded_superglue
from gim_models.training.augment import Views
from gim_models.training.config import Student, TrainConfig
from gim_models.training.families.family import Family, Loss
from gim_models.training.features import Supervised, supervise
from gim_models.training.loss import Terms, assignment_loss
from gim_models.training.pictures import match_sheet
from gim_models.training.sample import Batch
from gim_models.training.validation import validate

Glue = GlueNet | SuperGlue
PAPER_GLUE = GlueShape(descriptor_dim=256, n_layers=9, num_heads=4)


class SparseFamily:
    """A ``Family`` of glues over one frozen extractor.

    Args:
        extractor: detects and describes.
        start: the network before training, from (student, seed).
        config: what goes into ``config.json``.
    """

    def __init__(
        self, extractor: TrainableDetector, start: Callable[[Student, int], Any], config: Callable[..., BaseModel]
    ) -> None:
        self.extractor, self._start, self._config = extractor, start, config

    def start(self, student: Student, seed: int) -> Glue:
        """A network that starts as a matcher by nearest descriptors, or from published weights."""
        found: Glue = self._start(student, seed)
        return found

    def to(self, device: torch.device) -> None:
        """Move the extractor."""
        self.extractor.to(device)

    def loss(self, network: Glue, batch: Batch, views: Views, config: TrainConfig, generator: torch.Generator) -> Loss:
        """Likelihood of what is known about keypoints, after the last layer and after a random earlier one."""
        known = supervise(batch, views, self.extractor, config, generator)
        terms = _read_out(network, known, config, generator)
        matches = (known.targets.match0 >= 0).float().sum(1)
        told = {
            "positive": terms.positive.mean().item(),
            "negative": terms.negative.mean().item(),
            "impossible": terms.impossible.mean().item(),
            "matches": matches.mean().item(),
        }
        return Loss(terms.total.mean(), told)

    def validate(self, network: Glue, batches: Sequence[Batch], config: TrainConfig) -> dict[str, float]:
        """See ``validation.validate``."""
        return validate(network, self.extractor, batches, config)

    def sheet(self, network: Glue, batches: Sequence[Batch], config: TrainConfig) -> Image:
        """See ``pictures.match_sheet``."""
        return match_sheet(network, self.extractor, batches, config)

    def describe(self, network: Glue, config: TrainConfig) -> BaseModel:
        """Shape and keypoints."""
        return self._config(shape=network.shape, max_keypoints=config.max_keypoints)


def _read_out(network: Glue, known: Supervised, config: TrainConfig, generator: torch.Generator) -> Terms:
    states = network.layers(known.side0, known.side1, dtype=getattr(torch, config.precision))
    terms = assignment_loss(network.assignment(states), known.targets)
    if config.deep == 0 or len(states) == 1:
        return terms
    layer = int(torch.randint(len(states) - 1, (), generator=generator))
    early = assignment_loss(network.assignment(states, layer), known.targets)
    return terms._replace(total=terms.total + config.deep * early.total)


def lightglue(detector: str = DEFAULT) -> Family[Any]:
    """LightGlue; over XFeat in the demo size, LighterGlue's, there are published weights.

    Raises:
        GimError: the detector's weights are not installed.
    """
    return over_extractor(DETECTORS[detector].train(), detector)


def over_extractor(extractor: TrainableDetector, detector: str = DEFAULT) -> Family[Any]:
    """LightGlue over a given extractor."""
    return SparseFamily(extractor, _start_glue, partial(StudentConfig, detector=detector))


def superglue(detector: str = DEFAULT) -> Family[Any]:
    """SuperGlue, trained as LightGlue is.

    Raises:
        GimError: the detector's weights are not installed.
    """
    return SparseFamily(DETECTORS[detector].train(), _start_superglue, partial(SuperGlueConfig, detector=detector))


def _start_glue(student: Student, seed: int) -> GlueNet:
    if student.init == "published":
        return published_glue()
    detector = DETECTORS[student.detector or DEFAULT]
    shape = PAPER_GLUE if student.size == "paper" else detector.glue
    return seeded_glue(
        shape.model_copy(update={"input_dim": detector.glue.input_dim}), seed, appearance=detector.appearance
    )


def _start_superglue(student: Student, seed: int) -> SuperGlue:
    detector = DETECTORS[student.detector or DEFAULT]
    shape = SuperGlueShape() if student.size == "paper" else demo_superglue()
    return seeded_superglue(
        shape.model_copy(update={"input_dim": detector.glue.input_dim}), seed, appearance=detector.appearance
    )
