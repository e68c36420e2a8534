"""The stages in a row, with matchers whose error is known: bench, predictions, scores, scaling curve."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from gim_data.errors import BadInput, GimError
from gim_data.files import tree_digest, write_json
from gim_data.params import read_params
from gim_data.stage import Job
from gim_data.types import Features, Image, Matches
from gim_models.evaluation import bench, predictions, scaling, scores
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.prediction_store import Journal, Prediction, read_predictions, write_predictions
from gim_models.resizing import reduced, rescale, size_of
from gim_models.training.config import StudyConfig
from orchestration.graph import SECTIONS

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
IMAGES = 6
NOISE = {"rootsift": 2.0, "lightglue-000": 1.5, "lightglue-100": 0.2}


def pose(index: int) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(np.array([0.02 * index, 0.05 * index, 0.0]))[0]
    T[:3, 3] = T[:3, :3] @ [-0.4 * index, 0.1 * index, 0.05 * index]
    return T


def write_posed(folder: Path) -> Path:
    """Images that carry their own number in the first pixel, so that a matcher can know the truth."""
    (folder / "images").mkdir(parents=True)
    for i in range(IMAGES):
        image = np.full((120, 160, 3), 90, np.uint8)
        image[0, 0] = i
        cv2.imwrite(str(folder / "images" / f"{i}.png"), image)
    listed = [
        {"image0": f"{i}.png", "image1": f"{j}.png", "K0": K.tolist(), "K1": K.tolist(),
         "T_0to1": (pose(j) @ np.linalg.inv(pose(i))).tolist(), "overlap": 1 - 0.12 * (j - i)}
        for i in range(IMAGES) for j in range(i + 1, IMAGES)
    ]  # fmt: skip
    (folder / "pairs.json").write_text(json.dumps({"pairs": listed}))
    return folder


class Oracle:
    """A sparse matcher that knows the scene and adds noise; counts how often it extracts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.extracted = 0

    def extract(self, image: Image, mask: None = None) -> Features:
        self.extracted += 1
        index = int(image[0, 0, 0])
        points = np.random.default_rng(0).uniform([-2, -1.5, 4], [2, 1.5, 8], (80, 3))
        seen = (points @ pose(index)[:3, :3].T + pose(index)[:3, 3]) @ K.T
        pixels = seen[:, :2] / seen[:, 2:] + np.random.default_rng(index).normal(0, NOISE[self.name], (80, 2))
        return Features(pixels.astype(np.float32), np.zeros((80, 1), np.float32), np.ones(80, np.float32), (160, 120))

    def match_features(self, pairs: list[tuple[Features, Features]]) -> list[Matches]:
        return [Matches(a.keypoints, b.keypoints, a.scores, a.size, b.size) for a, b in pairs]

    def match(self, image0: Image, image1: Image, mask0: None = None, mask1: None = None) -> Matches:
        return self.match_features([(self.extract(image0), self.extract(image1))])[0]


@pytest.fixture
def oracles(monkeypatch: pytest.MonkeyPatch) -> dict[str, Oracle]:
    opened: dict[str, Oracle] = {}

    def open_matcher(name: str, *, device: str) -> Oracle:
        key = Path(name.removeprefix("student:")).name
        return opened.setdefault(key, Oracle(key))

    monkeypatch.setattr("gim_models.registry.open_matcher", open_matcher)
    return opened


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    write_posed(tmp_path / "posed" / "box")
    config = EvaluateConfig(
        pairs=("posed",), baselines=("rootsift",), pairing="listed", bootstrap=100, workers=1, device="cpu",
        protocol="poselib-v1", also=(),
    )  # fmt: skip
    params = {"evaluate": config, "study": StudyConfig(budgets=(0.0, 1.0))}

    def job(stage: str, unit: str = "all", **inputs: dict[str, Path]) -> Job:
        out, scratch = tmp_path / "data" / stage / unit, tmp_path / "scratch" / stage / unit
        out.mkdir(parents=True)
        scratch.mkdir(parents=True, exist_ok=True)
        return Job(stage, unit, out, scratch, inputs, params, tmp_path, 0, f"digest-{stage}-{unit}")

    return job


@pytest.fixture
def benchmark(make_job: Callable[..., Job]) -> Path:
    job = make_job("bench")
    assert bench.make_bench(job)["pairs"] == 15
    return job.out


def test_the_benchmark_says_what_it_holds(benchmark: Path):
    manifest = json.loads((benchmark / "manifest.json").read_text())
    row = manifest["sequences"]["box"]
    assert (row["pairs"], row["images"], row["overlap"]) == (15, 6, "given")
    assert (benchmark / "box" / "box-0-1.txt").is_file()


def test_the_manifest_does_not_call_given_overlaps_measured(make_job: Callable[..., Job]):
    """Without cameras, pairing by bins takes the list, and what it says of overlaps."""
    job = make_job("bench")
    config = job.params["evaluate"].model_copy(update={"pairing": "bins"})
    bench.make_bench(replace(job, params={**job.params, "evaluate": config}))
    assert json.loads((job.out / "manifest.json").read_text())["sequences"]["box"]["overlap"] == "given"


def test_a_sequence_with_a_wrong_pose_is_left_out_with_its_reason(make_job: Callable[..., Job], tmp_path: Path):
    bad = write_posed(tmp_path / "posed" / "bent")
    raw = json.loads((bad / "pairs.json").read_text())
    raw["pairs"][3]["T_0to1"][0][0] = 5
    (bad / "pairs.json").write_text(json.dumps(raw))
    job = make_job("bench")
    summary = bench.make_bench(job)
    assert summary["sequences"] == 1
    assert "pair 3, T_0to1: the 3x3 part is not a rotation" in summary["refused"]["bent"]


def test_no_usable_sequence_is_a_recorded_skip(make_job: Callable[..., Job], tmp_path: Path):
    (tmp_path / "posed" / "box" / "images" / "0.png").write_bytes(b"")
    with pytest.raises(BadInput, match="no sequence of the benchmark is usable"):
        bench.make_bench(make_job("bench"))


def test_an_unknown_source_is_refused(tmp_path: Path):
    with pytest.raises(GimError, match="nowhere is not a folder"):
        bench.outside("all", {"evaluate": EvaluateConfig(pairs=("nowhere",))}, tmp_path)


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path):
    first, second = (write_posed(tmp_path / place / "box") for place in "ab")
    prints = [bench.outside("all", {"evaluate": EvaluateConfig(pairs=(str(p),))}, tmp_path) for p in (first, second)]
    assert prints[0] == prints[1]
    (second / "pairs.json").write_text((second / "pairs.json").read_text() + " ")
    assert bench.outside("all", {"evaluate": EvaluateConfig(pairs=(str(second),))}, tmp_path) != prints[0]


def test_excluded_sequences_are_not_used(make_job: Callable[..., Job], tmp_path: Path):
    write_posed(tmp_path / "posed" / "sevenscenes_redkitchen")
    assert bench.make_bench(make_job("bench"))["sequences"] == 1


def test_features_are_extracted_once_per_image(
    make_job: Callable[..., Job], benchmark: Path, oracles: dict[str, Oracle]
):
    job = make_job("zeb_predictions", "rootsift", bench={"all": benchmark}, model={})
    predictions.make_predictions(job)
    assert oracles["rootsift"].extracted == IMAGES
    found = list(read_predictions(job.out / "box.parquet"))
    assert len(found) == 15
    assert found[0].keypoints0.shape == (80, 2)


def test_a_finished_sequence_is_not_matched_again(
    make_job: Callable[..., Job], benchmark: Path, oracles: dict[str, Oracle]
):
    job = make_job("zeb_predictions", "rootsift", bench={"all": benchmark}, model={})
    predictions.make_predictions(job)
    before = tree_digest(job.out)
    oracles["rootsift"].extracted = 0
    predictions.make_predictions(job)
    assert oracles["rootsift"].extracted == 0
    assert tree_digest(job.out) == before


class KilledError(Exception):
    """As a kill, but one that the test survives."""


@pytest.mark.parametrize("after", [0, 1])
def test_an_interrupted_sequence_goes_on_where_it_was(
    make_job: Callable[..., Job],
    benchmark: Path,
    oracles: dict[str, Oracle],
    monkeypatch: pytest.MonkeyPatch,
    after: int,
):
    """Fifteen pairs are two batches; whatever batch the kill comes in, the result is that of one go."""
    whole = make_job("zeb_predictions", "rootsift", bench={"all": benchmark}, model={})
    expected = predictions.make_predictions(whole)
    shutil.rmtree(whole.scratch)
    monkeypatch.setattr("gim_models.evaluation.predictions.Journal", partial(Journal, seconds=0))
    matched: list[int] = []
    genuine = Oracle.match_features

    def dying(self: Oracle, pairs: list[tuple[Features, Features]]) -> list[Matches]:
        if len(matched) == after:
            matched.append(0)
            raise KilledError
        matched.append(len(pairs))
        return genuine(self, pairs)

    monkeypatch.setattr(Oracle, "match_features", dying)
    with pytest.raises(KilledError):
        predictions.make_predictions(whole)
    before = (whole.out / "box.parquet").read_bytes()
    assert predictions.make_predictions(whole) == expected
    assert sum(matched) == 15
    assert (whole.out / "box.parquet").read_bytes() == before
    assert expected["matches_per_pair"] == 80


def test_a_model_that_was_not_made_is_named(make_job: Callable[..., Job], benchmark: Path):
    job = make_job("zeb_predictions", "lightglue-100", bench={"all": benchmark}, model={})
    with pytest.raises(GimError, match="model lightglue-100 was not made"):
        predictions.make_predictions(job)


def test_points_come_back_in_pixels_of_the_stored_image():
    image = np.zeros((370, 1226, 3), np.uint8)
    small = reduced(image, 613)
    assert size_of(small) == (613, 185)
    corner = np.array([[-0.5, -0.5], [612.5, 184.5]], np.float32)
    np.testing.assert_allclose(rescale(corner, (613, 185), (1226, 370)), [[-0.5, -0.5], [1225.5, 369.5]], atol=1e-3)
    assert reduced(image, 0) is image
    assert reduced(image, 5000) is image


def test_no_side_of_a_reduced_image_vanishes():
    assert size_of(reduced(np.zeros((2, 4000, 3), np.uint8), 100)) == (100, 1)


def test_predictions_survive_the_disk_and_equal_ones_have_equal_bytes(tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = [
        Prediction(f"a#{n}", *(rng.random((n, 2), np.float32) for _ in range(2)), rng.random(n, np.float32))
        for n in (3, 0, 500)
    ]
    for name in "ab":
        write_predictions(tmp_path / name, rows)
    for before, after in zip(rows, read_predictions(tmp_path / "a"), strict=True):
        assert before.identifier == after.identifier
        np.testing.assert_array_equal(before.keypoints1, after.keypoints1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_without_predictions_is_named(tmp_path: Path):
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(GimError, match=r"x\.parquet holds no predictions"):
        list(read_predictions(tmp_path / "x.parquet"))


@pytest.mark.slow
def test_the_whole_way_to_the_curve(make_job: Callable[..., Job], benchmark: Path, oracles: dict[str, Oracle]):
    """The model with video is the most exact, so the curve rises, the gain is significant and MLflow says the same."""
    units = {}
    for name in NOISE:
        models = {} if name == "rootsift" else {name: benchmark.parent / "models" / name}
        guess = make_job("zeb_predictions", name, bench={"all": benchmark}, model=models)
        predictions.make_predictions(guess)
        score = make_job("zeb_scores", name, bench={"all": benchmark}, zeb_predictions={name: guess.out})
        summary = scores.make_scores(score)
        units[name] = score.out
        assert summary["failures"] == 0
        assert all((score.out / figure).is_file() for figure in summary["figures"])
        assert {"sequences.png", "errors.png", "overlaps.png"} == set(summary["figures"])
        assert "| box | 15 |" in summary["table"]
    dataset = benchmark.parents[1] / "dataset" / "all"
    write_json(dataset / "ledger.json", {"summary": {"seconds": 90.0}})
    curve = make_job("scaling_curve", zeb_scores=units, dataset={"all": dataset})
    summary = scaling.make_scaling(curve)
    check_tables(curve.out, summary)
    check_tracking(curve.root)


def check_tables(folder: Path, summary: dict) -> None:
    rows = {row["name"]: row for row in json.loads((folder / "scaling.json").read_text())["rows"]}
    assert rows["lightglue-100"]["video"] == "1.5 min"
    assert rows["lightglue-100"]["gain"]["low"] > 0
    assert rows["lightglue-100"]["gain"]["p"] < 0.05
    assert rows["lightglue-000"]["gain"] is None
    assert rows["rootsift"]["kind"] == "baseline"
    table = pd.read_csv(folder / "scaling.csv")
    assert table["minutes"].tolist() == [0, 1.5]
    assert table["auc_5deg"].is_monotonic_increasing
    assert summary["lightglue-100/auc_5deg"] == pytest.approx(table["auc_5deg"].iloc[-1], abs=1e-4)
    assert "| lightglue-100 | 1.5 min |" in summary["table"]
    assert all((folder / figure).is_file() for figure in summary["figures"])


def check_tracking(root: Path) -> None:
    from gim_models.tracking import open_tracker

    client = open_tracker(root).client
    runs = {r.info.run_name: r for e in client.search_experiments() for r in client.search_runs([e.experiment_id])}
    assert set(runs) == {"scaling", *NOISE}
    better, worse = (runs[name].data.metrics["poselib-v1/mean_auc_5deg"] for name in ("lightglue-100", "rootsift"))
    assert better > worse
    cells = [set(runs[name].data.metrics) for name in NOISE]
    assert cells[0] == cells[1] == cells[2]
    assert {f"poselib-v1/{cell}/auc_{t}deg" for cell in ("box", "overlap-0.5") for t in (5, 10, 20)} <= cells[0]
    assert {"poselib-v1/box/failures", "poselib-v1/box/precision_before"} <= cells[0]
    history = client.get_metric_history(runs["scaling"].info.run_id, "poselib-v1/lightglue/mean_auc_5deg")
    assert sorted(point.step for point in history) == [0, 90]


@pytest.mark.parametrize(
    ("profile", "pairing", "low"), [("demo", "bins", 0.1), ("small", "bins", 0.1), ("gim", "auto", 0.0)]
)
def test_measured_profiles_keep_their_pairs_and_the_papers_scale_has_the_released_range(
    tmp_path: Path, profile: str, pairing: str, low: float
):
    """The results that this project reports are about the pairs of demo and small."""
    text = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("profile: demo", f"profile: {profile}"))
    config = read_params(tmp_path, SECTIONS)["evaluate"]
    assert (config.pairing, config.min_overlap) == (pairing, low)


def test_protocols_are_scored_once():
    assert EvaluateConfig(also=("zeb-paper-v1",)).protocols == ("zeb-paper-v1",)


def test_reference_values_are_compared_on_the_same_pairs_only():
    rows = SimpleNamespace(a={"x": np.zeros(3)}, b={"x": np.zeros(2)})
    with pytest.raises(ValueError, match="same pairs"):
        scaling._difference(rows.a, rows.b, EvaluateConfig())
