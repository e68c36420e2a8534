"""The sections ``study`` (which students, at which video budgets) and ``train`` (the recipe). Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from gim_data.errors import GimError
from gim_data.stage import Params, Section, without_silent

_SPARSE = ("lightglue", "superglue")
_PUBLISHED = ("lightglue", "demo", "xfeat")


class Student(BaseModel):
    """One model to train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="lightglue", pattern=r"^[a-z][a-z0-9_]*$", description="first half of its models' keys")
    arch: Literal["lightglue", "superglue", "loftr", "dkm", "roma"] = Field(
        default="lightglue", description="its architecture"
    )
    detector: Literal["", "xfeat", "sift"] = Field(
        default="", description="keypoints of a lightglue or superglue; empty: xfeat's, beside which others learn too"
    )
    size: Literal["demo", "paper"] = Field(
        default="demo", description="demo: learns something in an hour of CPU, over frozen XFeat; paper: as published"
    )
    init: Literal["scratch", "published"] = Field(
        default="scratch",
        description="scratch: trained on exact ground truth first; published: from the weights its authors released, "
        "as GIM does for LightGlue",
    )

    posed: tuple[str, ...] = Field(
        default=(),
        description="folders of MegaDepth or ScanNet in LoFTR's layout, trained on beside the worlds; each weighs as "
        "much as all worlds",
    )

    @model_validator(mode="after")
    def _published(self) -> Student:
        if self.detector and self.arch not in _SPARSE:
            raise ValueError(f"{self.name}: a {self.arch} has no detector to choose")
        if self.init == "published" and (self.arch, self.size, self.detector or "xfeat") != _PUBLISHED:
            raise ValueError(
                f"{self.name}: only a lightglue of size demo over xfeat has published weights to start from"
            )
        return self


class Mix(BaseModel):
    """How many of a batch's pairs come from where, relative to each other; video counts only where there is any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    truth: float = Field(default=1.0, ge=0, description="posed pairs of the synthetic worlds, with exact depth")
    truth_warp: float = Field(default=0.5, ge=0, description="a world's frame and its own homography, exact too")
    video: float = Field(default=2.0, ge=0, description="labelled pairs of the videos")
    video_warp: float = Field(
        default=0.5, ge=0, description="a video frame and its own homography: exact truth in the look of real images"
    )


class AugmentConfig(BaseModel):
    """Ranges of the random changes made to every training pair (GIM.md 3.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zoom: tuple[float, float] = Field(
        default=(0.8, 1.3), description="range of the scale images are fitted by; 1 covers the training size exactly"
    )
    geometric: float = Field(default=0.7, ge=0, le=1, description="probability that image 1 is warped")
    perspective: float = Field(
        default=0.15, ge=0, le=0.25, description="how far corners move, as a share of width and height"
    )
    rotation: float = Field(
        default=15.0,
        ge=0,
        le=180,
        description="degrees to either side; GIM turns by 180, which costs upright footage its sense of up",
    )
    photometric: float = Field(default=0.5, ge=0, le=1, description="probability that an image's light is changed")
    dark: float = Field(default=0.25, ge=0, le=1, description="probability that the change is a strong darkening")
    blur: float = Field(default=0.15, ge=0, le=1, description="probability of a Gaussian blur")
    occlusion: float = Field(
        default=0.4, ge=0, le=1, description="probability that a piece of another scene covers part of an image"
    )
    noise: float = Field(
        default=0.02, ge=0, le=0.2, description="largest standard deviation of added noise, 1 being the full range"
    )
    weather: float = Field(default=0.0, ge=0, le=1, description="probability of fog, rain or snow before an image")
    jpeg: float = Field(default=0.0, ge=0, le=1, description="probability of JPEG compression, from heavy to light")

    @model_serializer(mode="wrap")
    def _younger_where_they_say_something(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave fields out that are younger than the first models and do nothing, so that those models stay valid."""
        values: dict[str, Any] = dump(self)
        return without_silent(values, {"weather": 0.0, "jpeg": 0.0})

    @model_validator(mode="after")
    def _ordered(self) -> AugmentConfig:
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom must be (low, high) with 0 < low <= high, not {self.zoom}")
        return self


class TrainConfig(Section):
    """The recipe. Every budget takes the same number of steps, so that the curve isolates data."""

    seed: int = Field(default=0, ge=0, description="of everything drawn in training")
    base_steps: int = Field(default=600, ge=1, description="optimizer steps of the base stage, on exact ground truth")
    steps: int = Field(default=600, ge=1, description="optimizer steps of the model stage, at every budget")
    batch: int = Field(default=4, ge=1, description="pairs per optimizer step")
    accumulate: int = Field(
        default=1,
        ge=1,
        exclude=True,
        description="parts a batch is computed in, one after the other, where it does not fit in memory at once",
    )
    image_size: tuple[int, int] = Field(default=(480, 352), description="width and height that images are fitted to")
    keypoints: int = Field(default=512, ge=16, description="keypoints per image in training")
    learning_rate: float = Field(
        default=5e-4, gt=0, description="peak rate of the model stage; published weights take a fifth of it"
    )
    base_learning_rate: float = Field(default=1e-3, gt=0, description="peak rate of the base stage")
    final_rate: float = Field(default=0.05, ge=0, le=1, description="share of the learning rate left at the last step")
    warmup: int = Field(default=50, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(default=0.01, ge=0, description="of AdamW")
    ema: float = Field(default=0.99, ge=0, lt=1, description="decay of the averaged weights, which are what is kept")
    clip: float = Field(default=1.0, gt=0, description="largest gradient norm")
    deep: float = Field(default=0.3, ge=0, description="weight of the loss read out after one random earlier layer")
    positive_px: float = Field(
        default=2.0, gt=0, description="reprojection distance below which ground truth is a match"
    )
    negative_px: float = Field(default=4.0, gt=0, description="distance above which it is none")
    snap_px: float = Field(default=1.5, gt=0, description="distance at which a keypoint is taken for a label point")
    inserted: float = Field(
        default=0.15, ge=0, le=1, description="largest share of keypoints that are label points themselves"
    )
    mix: Mix = Field(default=Mix(), description="where pairs come from")
    augment: AugmentConfig = Field(default=AugmentConfig(), description="random changes to every pair")
    validate_every: int = Field(default=100, ge=1, description="steps between validations")
    validation_pairs: int = Field(default=32, ge=1, description="held-out pairs of each kind")
    log_every: int = Field(default=10, ge=1, exclude=True, description="steps between reports")
    max_keypoints: int = Field(default=2048, ge=16, description="keypoints per image when the student is used")
    workers: int = Field(default=1, ge=0, exclude=True, description="processes that read and fit images")
    threads: int = Field(default=2, ge=1, exclude=True, description="CPU threads of the optimizer")
    launch: str = Field(
        default="",
        exclude=True,
        description="command that starts training in several processes, as torchrun --nproc-per-node 8; empty: in one",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of the layers' products; bfloat16 is faster where the processor has it"
    )
    compiler: Literal["eager", "inductor"] = Field(
        default="eager",
        exclude=True,
        description="inductor: blocks are compiled first, minutes that pay in long runs; needs a C++ compiler",
    )
    device: str = Field(default="cpu", exclude=True, description="where training runs")

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        if any(side % 32 or side <= 0 for side in self.image_size):
            raise ValueError(f"image_size must be multiples of 32, not {self.image_size}")
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} cannot be computed in {self.accumulate} equal parts")
        if self.negative_px < self.positive_px:
            raise ValueError("negative_px must not be below positive_px")
        return self


class StudyConfig(Section):
    """What is compared: apart from the recipe, so that a budget more leaves the trained models as they are."""

    students: tuple[Student, ...] = Field(default=(Student(),), min_length=1, description="what is trained")
    budgets: tuple[float, ...] = Field(
        default=(0.0, 0.25, 0.5, 1.0), description="shares of the corpus, in whole percent"
    )
    name: str = Field(default="scaling", description="name of the parent run in MLflow")

    @model_validator(mode="after")
    def _distinct(self) -> StudyConfig:
        names = [student.name for student in self.students]
        if len(set(names)) != len(names):
            raise ValueError(f"two students share a name: {names}")
        percent = [100 * budget for budget in self.budgets]
        if any(abs(p - round(p)) > 1e-6 or not 0 <= p <= 100 for p in percent) or len(set(percent)) != len(percent):
            raise ValueError(f"budgets must be distinct whole percents in [0, 1], not {self.budgets}")
        return self

    def student(self, name: str) -> Student:
        """The student of that name.

        Raises:
            GimError: there is none.
        """
        for student in self.students:
            if student.name == name:
                return student
        raise GimError(f"there is no student {name!r}", f"the students are {[s.name for s in self.students]}")


RECIPE_FIELDS = tuple(name for name, field in TrainConfig.model_fields.items() if not field.exclude)
"""The fields of the recipe that decide what is learned; the others only say how fast."""


def student_keys(params: Params, root: Path) -> list[str]:
    """One unit of the base stage per student."""
    return [student.name for student in params["study"].students]


def model_keys(params: Params, root: object) -> list[str]:
    """One unit of the model stage per student and budget: ``lightglue-025``."""
    study: StudyConfig = params["study"]
    return [model_key(student.name, budget) for student in study.students for budget in sorted(study.budgets)]


def model_key(student: str, budget: float) -> str:
    """The key of a student at a budget in [0, 1]."""
    return f"{student}-{round(100 * budget):03d}"


def student_of(unit: str, params: Params, root: object) -> dict[str, object]:
    """The specification of a unit's student, for its digest; the unit is a student or a model.

    Fields that are younger than the first models count where they say something, so that those models stay valid.
    """
    study: StudyConfig = params["study"]
    named = {student.name: student for student in study.students}
    student = named.get(unit) or study.student(parse_model_key(unit)[0])
    return without_silent(student.model_dump(mode="json"), {"size": "demo", "posed": [], "detector": ""})


def parse_model_key(key: str) -> tuple[str, float]:
    """Student name and budget of a key.

    Raises:
        GimError: it is no such key.
    """
    name, dash, percent = key.rpartition("-")
    if not dash or not percent.isdigit():
        raise GimError(f"{key!r} names no model", "a model is a student and a percentage, such as lightglue-025")
    return name, int(percent) / 100


def model_upstream(unit: str, dep: str, dep_units: Sequence[str], params: Params) -> list[str]:
    """What a model reads: its student's base, every world, and at a budget above zero all of the video data."""
    student, budget = parse_model_key(unit)
    if dep == "base_model":
        return [student]
    return list(dep_units) if dep == "worlds" or budget > 0 else []
