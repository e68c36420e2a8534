"""The stages of this package, one row each; ``gim_models.stages`` holds the others."""

from gim_data.stage import Axis, Stage

VIDEO = Axis("video", "gim_data.video.sources:video_keys", sections=("corpus",))
WORLD = Axis("world", "gim_data.synthetic.truth:world_keys", sections=("synthetic",))
CORPUS = Axis("corpus", "gim_data.stages:one_unit")

SECTIONS = {
    "corpus": "gim_data.video.config:CorpusConfig",
    "acquire": "gim_data.video.config:AcquireConfig",
    "shots": "gim_data.video.config:ShotsConfig",
    "frames": "gim_data.video.config:FramesConfig",
    "synthetic": "gim_data.synthetic.config:SyntheticConfig",
    "propagation": "gim_data.propagation.config:PropagationConfig",
    "dataset": "gim_data.dataset:DatasetConfig",
}

VIDEOS = Stage(
    name="videos",
    group="acquire",
    fn="gim_data.video.stages:make_video",
    axis=VIDEO,
    params=("acquire",),
    code=("gim_data/video", "gim_data/synthetic"),
    pool="net",
    external="gim_data.video.sources:outside",
    doc="The file and its sidecar: source, licence, sha256, probe result.",
)
SHOTS = Stage(
    name="shots",
    group="acquire",
    fn="gim_data.video.stages:make_shots",
    axis=VIDEO,
    deps=("videos",),
    params=("shots",),
    code=("gim_data/video",),
    doc="Cut-free, moving, well-exposed spans by true timestamps, and why the others were dropped.",
)
FRAMES = Stage(
    name="frames",
    group="acquire",
    fn="gim_data.video.stages:make_frames",
    axis=VIDEO,
    deps=("videos", "shots"),
    params=("frames",),
    code=("gim_data/video",),
    doc="The sampled frames, decoded once and sequentially, randomly readable.",
)
TRACKS = Stage(
    name="tracks",
    group="label",
    fn="gim_data.propagation.stage:make_tracks",
    axis=VIDEO,
    deps=("frames", "matches"),
    params=("propagation",),
    code=("gim_data/propagation",),
    version="4",
    doc="Correspondences propagated from start frames to partners in every overlap bin.",
)
DATASET = Stage(
    name="dataset",
    group="dataset",
    fn="gim_data.dataset:make_dataset",
    axis=CORPUS,
    deps=("frames", "tracks"),
    params=("dataset",),
    code=("gim_data/dataset.py",),
    doc="The training index: which pairs each video budget may use.",
)
WORLDS = Stage(
    name="worlds",
    group="dataset",
    fn="gim_data.synthetic.truth:make_world",
    axis=WORLD,
    params=("synthetic",),
    code=("gim_data/synthetic",),
    doc="Ray-traced training sequences with exact depth and pose: the 0-hour data.",
)

STAGES = (VIDEOS, SHOTS, FRAMES, TRACKS, DATASET, WORLDS)


def one_unit(params: object, root: object) -> list[str]:
    """The single key of a stage that runs once for the whole corpus."""
    return ["all"]
