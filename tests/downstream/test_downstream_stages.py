"""The downstream stages in a row, with matchers that know the truth."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from planted_clouds import motion, seen_from, town
from planted_views import TURN, matches_of, through, wall

from gim_data.errors import BadInput, GimError
from gim_data.files import read_json, write_json
from gim_data.ledger import Ledger
from gim_data.runner import Runner
from gim_data.stage import Job, load
from gim_models import registry, stages
from gim_models.downstream import scenes, table, tasks
from gim_models.downstream.config import DownstreamConfig, contender_keys, table_upstream
from gim_models.downstream.mapping import bench
from gim_models.downstream.splatting import stage as splat_stage
from gim_models.downstream.splatting.ply import read_ply
from gim_models.evaluation.config import EvaluateConfig
from gim_models.training.config import StudyConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "mapping"))
from planted_scene import PlantedSparse, Scene

SIZE = (320, 240)


def write_plane(folder: Path) -> Path:
    """One pair of a wall and a turned view of it."""
    (folder / "images").mkdir(parents=True)
    first = wall()
    for name, image in (("a.png", first), ("b.png", cv2.warpPerspective(first, TURN, SIZE))):
        cv2.imwrite(str(folder / "images" / name), image)
    rows = [{"image0": "a.png", "image1": "b.png", "H_0to1": TURN.tolist()}]
    write_json(folder / "pairs.json", {"pairs": rows})
    return folder


def write_scans(folder: Path) -> Path:
    """Three scans of one town, a few metres apart."""
    folder.mkdir(parents=True)
    poses = {}
    for i in range(3):
        T_s2w = motion(4 * i, 2.0 * i, 0.5 * i)
        seen_from(town(i), np.linalg.inv(T_s2w)).astype("<f4").tofile(folder / f"{i}.bin")
        poses[f"{i}.bin"] = T_s2w.tolist()
    write_json(folder / "poses.json", {"T_s2w": poses})
    return folder


class Knowing:
    """Matches through ``TURN``, whatever the pictures show."""

    name = "knowing"

    def match(self, image0, image1, mask0=None, mask1=None):
        points = np.random.default_rng(0).uniform([40, 40], [280, 200], (200, 2))
        return matches_of(points, through(TURN, points))


def make_knowing(device):
    """A factory as the registry has them."""
    return Knowing()


def make_half_blind(device):
    """The planted matcher, but the last of the nine cameras looks past all points."""
    scene = Scene(count=9, points=200)
    scene.T_w2c[8][0, 3] += 100
    return PlantedSparse(scene)


@pytest.fixture
def make_job(tmp_path, monkeypatch) -> Callable[..., Job]:
    """Jobs of the stages over planted sets; the planted matchers have the names of baselines."""
    Scene(count=9, points=200).write(tmp_path / "sets" / "arc")
    write_plane(tmp_path / "sets" / "wall")
    write_scans(tmp_path / "sets" / "town")
    monkeypatch.setitem(registry.FACTORIES, "planted", "planted_scene:make_planted_nine")
    monkeypatch.setitem(registry.FACTORIES, "knowing", "test_downstream_stages:make_knowing")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def job(stage: str, unit: str = "all", inputs: dict | None = None, **changes) -> Job:
        values = {
            "maps": ("sets/arc",),
            "planes": ("sets/wall",),
            "scans": ("sets/town",),
            "columns": 3,
            "splats": ("sets/arc",),
            "splat_steps": 10,
            "splat_side": 40,
            "splat_count": 60,
            "threads": 1,
            **changes,
        }
        params = {
            "downstream": DownstreamConfig(**values),
            "evaluate": EvaluateConfig(baselines=("planted", "knowing", "rootsift"), device="cpu"),
            "study": StudyConfig(budgets=(0.0,)),
        }
        folders = []
        for place in ("data", "scratch"):
            folders.append(tmp_path / place / stage / unit)
            shutil.rmtree(folders[-1], ignore_errors=True)
            folders[-1].mkdir(parents=True)
        return Job(stage, unit, *folders, inputs or {}, params, tmp_path, 0, f"{stage}-{unit}")

    return job


@pytest.fixture
def sets(make_job) -> dict[str, dict[str, Path]]:
    """The input that every task reads."""
    job = make_job("scenes")
    assert scenes.make_scenes(job) == {"maps": ["arc"], "planes": ["wall"], "points": [], "scans": ["town"]}
    return {"scenes": {"all": job.out}}


@pytest.mark.slow
def test_perfect_matches_score_perfectly_and_meet_in_one_table(make_job, sets):
    """Each task by a matcher that knows it; then the table, the figure and MLflow say the same."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    made = {}
    for stage, unit in (("maps", "planted"), ("relocalization", "planted"), ("planes", "knowing"), ("bev", "rootsift")):
        job = make_job(stage, unit, sets)
        summary = load({s.name: s.fn for s in stages.STAGES}[stage])(job)
        assert all((job.out / name).is_file() for name in summary.get("figures", ()))
        assert summary["table"].startswith("| set | matcher |")
        made[stage] = {unit: job.out}
    cells = {stage: read_json(next(iter(of.values())) / tasks.SCORES)["sets"] for stage, of in made.items()}
    assert {name: cell["registered"] for name, cell in cells["maps"].items()} == {"arc": 9, "arc-every-3": 3}
    assert cells["maps"]["arc"]["relative_error"] < 1e-4
    assert cells["relocalization"]["arc"]["recall_0.25_2deg"] == 100
    assert cells["planes"]["wall"]["auc_3px"] > 99
    assert cells["bev"]["town"]["recall_1m_2deg"] == 100
    job = make_job("downstream", inputs=made)
    summary = table.make_table(job)
    assert summary["maps/planted"] == summary["relocalization/planted"] == summary["bev/rootsift"] == 100
    assert (job.out / "downstream.png").is_file()
    assert "| arc-every-3 | planted | 3/3 |" in (job.out / "downstream.md").read_text()
    check_tracking(job.root)


def check_tracking(root: Path) -> None:
    from gim_models.tracking import open_tracker

    client = open_tracker(root).client
    runs = {r.info.run_name: r for e in client.search_experiments() for r in client.search_runs([e.experiment_id])}
    assert runs["planted"].data.metrics["downstream/maps/arc/registered"] == 9
    assert runs["planted"].data.metrics["downstream/relocalization"] == 100
    assert runs["scaling"].data.metrics["downstream/bev/rootsift"] == 100


@pytest.mark.parametrize(
    ("make", "changes", "told"),
    [
        ("gim_models.downstream.mapping.stage:make_maps", {"maps": ()}, "downstream.maps names no set"),
        ("gim_models.downstream.mapping.stage:make_relocalization", {"maps": ()}, "downstream.maps names no set"),
        ("gim_models.downstream.splatting.stage:make_splats", {"splats": ("sets/else",)}, "no source of"),
        ("gim_models.downstream.flat_stage:make_planes", {"planes": ()}, "downstream.points name no set"),
        ("gim_models.downstream.bev.stage:make_bev", {"scans": ()}, "downstream.scans names no set"),
        ("gim_models.downstream.bev.stage:make_bev", {"farthest": 0.01}, "no two scans are within"),
        ("gim_models.downstream.mapping.stage:make_maps", {"every": (5,)}, "leaves 3 images"),
    ],
)
def test_a_task_that_has_nothing_to_do_is_a_recorded_skip(make_job, sets, make, changes, told):
    with pytest.raises(BadInput, match=told):
        load(make)(make_job("task", "rootsift", sets, **changes))


def test_the_table_waits_for_no_task_without_sets():
    config = DownstreamConfig(scans=(), points=(), planes=())
    units = ["rootsift"]
    assert table_upstream("all", "bev", units, {"downstream": config}) == []
    assert table_upstream("all", "planes", units, {"downstream": config}) == []
    assert table_upstream("all", "bev", units, {"downstream": DownstreamConfig()}) == units
    assert table_upstream("all", "splats", units, {"downstream": DownstreamConfig(splats=())}) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"maps": ("nowhere",)}, "downstream.maps: nowhere is not a folder"),
        ({"scans": ("sets/wall",)}, "holds no set"),
        ({"maps": ("sets/arc", "more/arc")}, "both named arc"),
    ],
)
def test_wrong_sources_are_named(make_job, tmp_path, changes, told):
    shutil.copytree(tmp_path / "sets" / "arc", tmp_path / "more" / "arc")
    job = make_job("scenes", **changes)
    with pytest.raises(GimError, match=told):
        scenes.outside("all", job.params, tmp_path)


def test_a_tree_of_sets_is_found_and_its_content_decides_the_digest(make_job, tmp_path):
    params = make_job("scenes", maps=("sets",)).params
    before = scenes.outside("all", params, tmp_path)
    assert [row["name"] for row in before["maps"]] == ["arc"]
    picture = tmp_path / "sets" / "arc" / "images" / "0000.png"
    picture.write_bytes(picture.read_bytes() + b"x")
    assert scenes.outside("all", params, tmp_path) != before


def test_an_empty_scan_is_left_out_of_its_set_and_named(make_job, sets):
    job = make_job("bev", "rootsift", sets)
    (job.root / "sets/town/2.bin").write_bytes(b"")
    summary = load("gim_models.downstream.bev.stage:make_bev")(job)
    assert (summary["pairs"], summary["scans_left_out"]) == (1, 1)
    scores = read_json(job.out / tasks.SCORES)
    assert scores["sets"]["town"]["trials"] == 1
    assert "is empty" in scores["left_out"]["town"]["2.bin"]


def test_patterns_choose_the_matchers():
    params = {"evaluate": EvaluateConfig(), "study": StudyConfig(budgets=(0.0, 1.0))}
    some = {**params, "downstream": DownstreamConfig(matchers=("root*", "*-100"))}
    assert contender_keys(some, None) == ["rootsift", "lightglue-100"]
    with pytest.raises(GimError, match="fits no matcher"):
        contender_keys({**params, "downstream": DownstreamConfig(matchers=("x",))}, None)


def test_large_sets_are_thinned_before_steps_are_taken(make_job, tmp_path):
    cases = bench.cases_of({"arc": tmp_path / "sets" / "arc"}, (1, 2, 3), 5)
    assert [(case.name, case.every) for case in cases] == [("arc", 2), ("arc-every-2", 4)]


def test_a_map_that_cannot_be_made_is_a_row_of_zeros(make_job, tmp_path):
    """No match at all: the set counts with nothing placed, and the reason stands beside it."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    from gim_data.stage import Silent
    from gim_models.downstream.mapping.reconstruct import MapOptions

    class Blind:
        name = "blind"

        def match(self, image0, image1, mask0=None, mask1=None):
            return matches_of(np.zeros((0, 2)), np.zeros((0, 2)))

    (case,) = bench.cases_of({"arc": tmp_path / "sets" / "arc"}, (3,), 60)
    made = bench.map_case(case, tmp_path / "out", Blind(), MapOptions("blind", threads=1), Silent())
    assert (made.cell["registered"], made.cell["images"], made.cell["within_1_percent"]) == (0, 3, 0)
    assert "no 3 images" in made.cell["problem"]
    found = {"blind": {case.name: made.cell}}
    assert tasks.rows_of(tasks.TASKS["maps"], found)[0][:4] == ["arc-every-3", "blind", "0/3", "0"]
    assert tasks.headline(tasks.TASKS["maps"], found["blind"]) == 0


def test_splats_are_judged_at_every_held_out_picture_also_one_that_the_map_lacks(make_job, sets, monkeypatch):
    """0000 and 0008 of nine pictures are held out; the second matcher sees nothing in 0008, so it is not placed."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    job = make_job("splats", "planted", sets)
    whole = splat_stage.make_splats(job)
    (cell,) = read_json(job.out / tasks.SCORES)["sets"].values()
    assert (cell["judged"], cell["held_out"]) == (2, 2)
    assert cell["similarity"] == pytest.approx(100 * cell["ssim"]) == whole["similarity"]
    assert cell["ssim"] != cell["random_ssim"]
    assert (job.out / "splats.jpg").is_file()
    assert 0 < len(read_ply(job.out / "arc.ply")) <= 120
    assert "| arc | planted | 2/2 |" in whole["table"]
    monkeypatch.setitem(registry.FACTORIES, "planted", "test_downstream_stages:make_half_blind")
    job = make_job("splats", "planted", sets)
    splat_stage.make_splats(job)
    (cell,) = read_json(job.out / tasks.SCORES)["sets"].values()
    assert (cell["judged"], cell["held_out"]) == (1, 2)
    assert cell["similarity"] == pytest.approx(50 * cell["ssim"])


def test_a_set_without_a_map_has_no_splats_and_says_why(make_job, sets):
    """The pictures are flat: RootSIFT finds nothing in them. The table keeps the row, and the figure is left out."""
    pytest.importorskip("pycolmap", reason="pip install 'gim[downstream]'")
    job = make_job("splats", "rootsift", sets)
    summary = splat_stage.make_splats(job)
    (cell,) = read_json(job.out / tasks.SCORES)["sets"].values()
    assert (cell["judged"], cell["held_out"], cell["similarity"]) == (0, 2, 0)
    assert "not one map could be made" in cell["problem"]
    assert (summary["similarity"], summary["figures"]) == (0, [])


@pytest.mark.slow
def test_the_built_in_sets_have_the_truth_they_claim(tmp_path):
    """Warped pictures agree with their homographies, scans with their poses, the walk is one of a few metres."""
    from gim_data.bench.planar import read_planar
    from gim_data.bench.posed import read_cameras
    from gim_data.synthetic import showcase
    from gim_models.downstream.bev.scans import read_scans
    from gim_models.downstream.mapping.scores import centre_of, extent_of

    showcase.write_planes(tmp_path / "planes")
    for pair in read_planar(tmp_path / "planes")["planes"]:
        first, second = (cv2.imread(str(path)).astype(float) for path in (pair.image0, pair.image1))
        moved = cv2.warpPerspective(first, pair.H_0to1, SIZE)
        seen = cv2.erode(cv2.warpPerspective(np.ones(SIZE[::-1]), pair.H_0to1, SIZE), np.ones((5, 5))) == 1
        assert seen.mean() > 0.2
        assert np.abs(moved - second)[seen].mean() < 12
    showcase.write_walk(tmp_path / "walk", images=3)
    cameras = read_cameras(tmp_path / "walk")
    assert 4 < extent_of(np.array([centre_of(camera.T_w2c) for camera in cameras])) < 12
    showcase.write_drive(tmp_path / "drive", scans=2)
    assert len(read_scans(tmp_path / "drive")) == 2


def test_the_stages_run_through_the_runner(make_job, tmp_path):
    """A task without sets is skipped with a remedy, once, and found skipped the second time."""
    graph = {stage.name: stage for stage in stages.STAGES}
    params = make_job("scenes", maps=(), planes=(), scans=()).params
    runner = Runner(graph, params, tmp_path / "workspace")
    assert runner.run("scenes").count("made") == 1
    for stage in ("planes", "bev"):
        report = runner.run(stage, ["rootsift"])
        report.raise_failures()
        assert report.count("skipped") == 1
        entry = Ledger(tmp_path / "workspace").read(stage, "rootsift")
        assert entry is not None
        assert "downstream." in str(entry.remedy)


def test_the_command_prints_what_was_collected(tmp_path, capsys):
    from orchestration.cli import main

    folder = tmp_path / "data" / "downstream" / "all"
    cell = {"registered": 2, "images": 3, "within_1_percent": 0.5, "problem": "no overlap"}
    write_json(folder / table.TABLE, {"maps": {"rootsift": {"arc": cell}}})
    (tmp_path / "params.yaml").write_text("{}")
    for words, told in ((["downstream"], "2/3"), (["downstream", "--json"], '"registered": 2')):
        with pytest.raises(SystemExit) as caught:
            main(["--root", str(tmp_path), *words])
        assert not caught.value.code
        assert told in capsys.readouterr().out
    shutil.rmtree(folder)
    with pytest.raises(SystemExit):
        main(["--root", str(tmp_path), "downstream"])
    assert "gim run --with-deps downstream" in capsys.readouterr().err
