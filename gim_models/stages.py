"""The stages of this package, one row each."""

from gim_data.stage import Axis, Params, Stage
from gim_data.stages import CORPUS, VIDEO
from gim_models.registry import TEMPORAL_FACTORIES
from gim_models.training.config import RECIPE_FIELDS

# The base stage shares the recipe but for how long and how fast the model stage trains.
_BASE_RECIPE = tuple(f"train.{name}" for name in RECIPE_FIELDS if name not in ("steps", "learning_rate"))

_NETWORKS = ("gim_models/dense", "gim_models/semidense", "gim_models/sparse", "gim_models/students.py")
_NETWORKS_AND_TRAINING = (*_NETWORKS, "gim_models/training")

STUDENT = Axis("student", "gim_models.training.config:student_keys", sections=("study",))
MODEL_AXIS = Axis("model", "gim_models.training.config:model_keys", sections=("study",))
MATCHER = Axis("matcher", "gim_models.stages:matcher_keys", sections=("study", "evaluate"))
CONTENDER = Axis(
    "contender", "gim_models.downstream.config:contender_keys", sections=("study", "evaluate", "downstream")
)

SECTIONS = {
    "labels": "gim_data.labels.config:LabelsConfig",
    "study": "gim_models.training.config:StudyConfig",
    "train": "gim_models.training.config:TrainConfig",
    "evaluate": "gim_models.evaluation.config:EvaluateConfig",
    "downstream": "gim_models.downstream.config:DownstreamConfig",
}

# Which fields decide which bytes: adding a baseline or a bootstrap sample must not match a single pair again.
_PAIRS = tuple(
    f"evaluate.{field}"
    for field in (
        "pairs",
        "exclude",
        "pairing",
        "max_pairs_per_sequence",
        "max_images_per_sequence",
        "min_overlap",
        "max_overlap",
        "max_rotation",
        "min_parallax",
        "seed",
    )
)
_PROTOCOL = ("evaluate.protocol", "evaluate.also", "evaluate.bootstrap", "evaluate.seed")

MATCHES = Stage(
    name="matches",
    group="label",
    fn="gim_models.labelling:make_matches",
    axis=VIDEO,
    deps=("frames", "videos"),
    optional=("videos",),
    params=("labels",),
    code=(
        "gim_data/labels",
        "gim_data/masks.py",
        "gim_data/video/moments.py",
        "gim_models/teachers",
        "gim_models/sparse",
        "gim_models/labelling.py",
        "gim_models/mask_gallery.py",
        "gim_models/segmenters.py",
    ),
    external="gim_data.labels.outside:outside",
    pool="gpu",
    upstream="gim_models.stages:matches_upstream",
    version="3",
    doc="Robustly filtered correspondences per teacher, skip and pass; empty results recorded.",
)
BASE_MODEL = Stage(
    name="base_model",
    group="train",
    fn="gim_models.training.stages:make_base_model",
    axis=STUDENT,
    deps=("worlds",),
    params=_BASE_RECIPE,
    code=_NETWORKS_AND_TRAINING,
    external="gim_models.training.config:student_of",
    pool="gpu",
    version="5",
    doc="The starting point: trained on exact ground truth only.",
)
MODEL = Stage(
    name="model",
    group="train",
    fn="gim_models.training.stages:make_model",
    axis=MODEL_AXIS,
    deps=("worlds", "base_model", "dataset", "frames", "tracks"),
    params=("train",),
    code=_NETWORKS_AND_TRAINING,
    external="gim_models.training.config:student_of",
    pool="gpu",
    upstream="gim_models.training.config:model_upstream",
    version="5",
    doc="The same recipe and number of steps at each video budget.",
)
BENCH = Stage(
    name="bench",
    group="evaluate",
    fn="gim_models.evaluation.bench:make_bench",
    axis=CORPUS,
    params=_PAIRS,
    code=(
        "gim_data/bench",
        "gim_data/synthetic",
        "gim_models/evaluation/bench.py",
        "gim_models/evaluation/parallel.py",
    ),
    external="gim_models.evaluation.bench:outside",
    doc="Posed image pairs in ZEB's released layout, from posed folders or synthetic sequences.",
)
PREDICTIONS = Stage(
    name="zeb_predictions",
    group="evaluate",
    fn="gim_models.evaluation.predictions:make_predictions",
    axis=MATCHER,
    deps=("bench", "model"),
    params=("evaluate.max_side",),
    code=(
        "gim_models/evaluation/predictions.py",
        "gim_models/evaluation/predict.py",
        "gim_models/evaluation/prediction_store.py",
        "gim_models/teachers",
        *_NETWORKS,
    ),
    external="gim_models.evaluation.baselines:outside",
    pool="gpu",
    upstream="gim_models.stages:matcher_upstream",
    version="2",
    doc="Matches of every benchmark pair, once per matcher.",
)
SCORES = Stage(
    name="zeb_scores",
    group="evaluate",
    fn="gim_models.evaluation.scores:make_scores",
    axis=MATCHER,
    deps=("bench", "zeb_predictions"),
    params=_PROTOCOL,
    code=(
        "gim_data/epipolar.py",
        "gim_models/evaluation/scores.py",
        "gim_models/evaluation/pose_stage.py",
        "gim_models/evaluation/protocol.py",
        "gim_models/evaluation/auc.py",
        "gim_models/evaluation/bootstrap.py",
        "gim_models/evaluation/overlaps.py",
    ),
    upstream="gim_models.stages:matcher_upstream",
    version="2",
    doc="Poses and AUC under a named protocol, with intervals.",
)
SCALING = Stage(
    name="scaling_curve",
    group="evaluate",
    fn="gim_models.evaluation.scaling:make_scaling",
    axis=CORPUS,
    deps=("zeb_scores", "dataset"),
    params=(*_PROTOCOL, "study"),
    code=("gim_models/evaluation/scaling.py",),
    version="3",
    doc="Accuracy over hours of video: table, figure, MLflow study.",
)

_SETS = ("downstream.maps", "downstream.planes", "downstream.points", "downstream.scans")
_MATCHING = ("gim_models/teachers", *_NETWORKS)
_MAPPED = ("downstream.maps", "downstream.max_images", "downstream.max_side", "downstream.seed")

SCENES = Stage(
    name="scenes",
    group="downstream",
    fn="gim_models.downstream.scenes:make_scenes",
    axis=CORPUS,
    params=_SETS,
    code=("gim_data/synthetic/showcase.py", "gim_models/downstream/scenes.py"),
    external="gim_models.downstream.scenes:outside",
    doc="Posed images, planes and scans on which matchers are put to use.",
)
MAPS = Stage(
    name="maps",
    group="downstream",
    fn="gim_models.downstream.mapping.stage:make_maps",
    axis=CONTENDER,
    deps=("scenes", "model"),
    params=(*_MAPPED, "downstream.every"),
    code=("gim_models/downstream/mapping", *_MATCHING),
    external="gim_models.downstream.config:mapping_outside",
    pool="gpu",
    upstream="gim_models.downstream.config:contender_upstream",
    version="2",
    doc="Multi-view reconstruction by each matcher, whole sets and thinned ones, against the true cameras.",
)
RELOCALIZATION = Stage(
    name="relocalization",
    group="downstream",
    fn="gim_models.downstream.mapping.stage:make_relocalization",
    axis=CONTENDER,
    deps=("scenes", "model"),
    params=(*_MAPPED, "downstream.query_every"),
    code=("gim_models/downstream/mapping", *_MATCHING),
    external="gim_models.downstream.config:mapping_outside",
    pool="gpu",
    upstream="gim_models.downstream.config:contender_upstream",
    version="2",
    doc="Where query images were taken, in a map of the others.",
)
SPLATS = Stage(
    name="splats",
    group="downstream",
    fn="gim_models.downstream.splatting.stage:make_splats",
    axis=CONTENDER,
    deps=("scenes", "model"),
    params=(
        *_MAPPED,
        "downstream.splats",
        "downstream.splat_steps",
        "downstream.splat_side",
        "downstream.splat_count",
    ),
    code=("gim_models/downstream/mapping", "gim_models/downstream/splatting", *_MATCHING),
    external="gim_models.downstream.config:mapping_outside",
    pool="gpu",
    upstream="gim_models.downstream.config:contender_upstream",
    version="2",
    doc="Gaussian splats from each matcher's map and from a random start, at pictures that were held out.",
)
PLANES = Stage(
    name="planes",
    group="downstream",
    fn="gim_models.downstream.flat_stage:make_planes",
    axis=CONTENDER,
    deps=("scenes", "model"),
    params=("downstream.planes", "downstream.points", "downstream.short_side", "downstream.seed"),
    code=("gim_models/downstream/flat_stage.py", "gim_models/evaluation/flat_bench.py", *_MATCHING),
    external="gim_models.evaluation.baselines:outside",
    pool="gpu",
    upstream="gim_models.downstream.config:contender_upstream",
    version="2",
    doc="Homographies against the truth, fundamental matrices against clicked points.",
)
BEV = Stage(
    name="bev",
    group="downstream",
    fn="gim_models.downstream.bev.stage:make_bev",
    axis=CONTENDER,
    deps=("scenes", "model"),
    params=("downstream.scans", "downstream.farthest", "downstream.columns", "downstream.headings", "downstream.seed"),
    code=("gim_models/downstream/bev", *_MATCHING),
    external="gim_models.evaluation.baselines:outside",
    pool="gpu",
    upstream="gim_models.downstream.config:contender_upstream",
    version="2",
    doc="Lidar scans aligned by matching what they look like from above.",
)
DOWNSTREAM = Stage(
    name="downstream",
    group="downstream",
    fn="gim_models.downstream.table:make_table",
    axis=CORPUS,
    deps=("maps", "relocalization", "splats", "planes", "bev"),
    code=("gim_models/downstream/table.py", "gim_models/downstream/tasks.py"),
    upstream="gim_models.downstream.config:table_upstream",
    doc="What each matcher is good for: one table, one figure.",
)

STAGES = (
    MATCHES,
    BASE_MODEL,
    MODEL,
    BENCH,
    PREDICTIONS,
    SCORES,
    SCALING,
    SCENES,
    MAPS,
    RELOCALIZATION,
    SPLATS,
    PLANES,
    BEV,
    DOWNSTREAM,
)


def matcher_keys(params: Params, root: object) -> list[str]:
    """Everything that is scored: the baselines, then each student at each budget."""
    from gim_models.evaluation.baselines import distinct_keys
    from gim_models.training.config import model_keys

    return [*distinct_keys(params["evaluate"].baselines), *model_keys(params, root)]


def matches_upstream(unit: str, dep: str, dep_units: list[str], params: Params) -> list[str]:
    """Labels read the frames; the video itself only for a teacher that follows points through it."""
    if dep == "videos" and not set(params["labels"].teachers) & set(TEMPORAL_FACTORIES):
        return []
    return [unit]


def matcher_upstream(unit: str, dep: str, dep_units: list[str], params: Params) -> list[str]:
    """A matcher reads its own units, and the whole of stages that have one unit; a baseline reads no model."""
    if dep == "bench":
        return dep_units
    return [unit] if unit in dep_units else []
