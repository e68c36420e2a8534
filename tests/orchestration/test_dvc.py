"""DVC over the same graph: it finds what others did, and redoes only what it must."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from test_dagster import materialize_all
from toy import GRAPH, calls, open_toy, run_all, write_params, write_workspace

from gim_data.errors import GimError
from gim_data.stage import load
from orchestration.code_location import snapshot_asset
from orchestration.dvc_yaml import render
from orchestration.graph import GRAPH as PROJECT
from orchestration.graph import SECTIONS
from orchestration.snapshot import commit, complete_stages, dvc_program

PROJECT_ROOT = Path(__file__).parents[2]
TEXTS = {"a": "alpha", "b": "beta"}
TOY = f"{sys.executable} {PROJECT_ROOT / 'tests' / 'toy.py'}"

pytestmark = pytest.mark.slow


def dvc(root: Path, *words: str) -> str:
    """Run dvc in a workspace; its output."""
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'tests'}", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [dvc_program(), *words], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    try:
        dvc_program()
    except GimError as error:
        pytest.skip(str(error))
    write_workspace(tmp_path, TEXTS)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("/data/\n")
    dvc(tmp_path, "init", "--quiet")
    (tmp_path / "dvc.yaml").write_text(render(GRAPH, command=TOY))
    return tmp_path


def test_repro_finds_work_that_others_did(root: Path) -> None:
    run_all(root)
    commit(open_toy(root))
    assert dvc(root, "status", "--json").strip() == "{}"
    dvc(root, "repro")
    assert calls(root) == []


def snapshot(root: Path) -> None:
    """Dagster's asset ``corpus_snapshot``, by itself."""
    asset = snapshot_asset(open_toy(root), partial(open_toy, root))
    assert dg.materialize([asset], instance=dg.DagsterInstance.ephemeral()).success


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning")
def test_what_dagster_made_or_pruned_is_nothing_to_repro(root: Path) -> None:
    materialize_all(root)
    snapshot(root)
    assert len(calls(root)) == 7
    assert "Running stage" not in dvc(root, "repro")
    assert calls(root) == []
    write_params(root, ["b"])  # a leaves the corpus
    snapshot(root)
    for stage in ("videos", "matches"):
        assert [path.name for path in (root / "data" / stage).iterdir()] == ["b"]
    dvc(root, "repro")
    assert calls(root) == ["dataset all", "model m-100"]
    materialize_all(root)
    snapshot(root)
    assert "Running stage" not in dvc(root, "repro")
    assert calls(root) == []


def test_second_repro_does_nothing_and_is_fast(root: Path) -> None:
    dvc(root, "repro")
    assert len(calls(root)) == 7
    assert run_all(root) == []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = dvc(root, "repro")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 5  # CPU seconds: the clock on the wall depends on the neighbours
    assert "Running stage" not in told
    assert calls(root) == []


def test_repro_redoes_exactly_what_a_parameter_or_a_video_changed(root: Path) -> None:
    dvc(root, "repro")
    calls(root)
    write_params(root, TEXTS, upper=True)
    dvc(root, "repro")
    assert calls(root) == ["dataset all", "matches a", "matches b", "model m-100"]
    write_workspace(root, {**TEXTS, "c": "gamma"}, upper=True)
    dvc(root, "repro")
    assert calls(root) == ["dataset all", "matches c", "model m-100", "videos c"]
    write_params(root, ["b", "c"], upper=True)
    dvc(root, "repro")
    assert calls(root) == ["dataset all", "model m-100"]
    assert sorted(p.name for p in (root / "data/matches").iterdir()) == ["b", "c"]


def test_a_fresh_clone_without_data_is_up_to_date(root: Path) -> None:
    dvc(root, "repro")
    clone = root / "clone"
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "-m", "all"], cwd=root, check=True)
    subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
    assert "Running stage" not in dvc(clone, "repro", "--dry", "--allow-missing")


def test_commit_leaves_incomplete_stages_alone_and_prunes(root: Path) -> None:
    run_all(root)
    write_workspace(root, {"b": "beta", "c": "gamma"})
    open_toy(root).run("videos")
    assert complete_stages(open_toy(root)) == ["videos"]
    assert list(commit(open_toy(root))) == ["videos"]
    assert sorted(p.name for p in (root / "data/matches").iterdir()) == ["b"]


def test_dvc_yaml_is_what_the_registry_says() -> None:
    assert (PROJECT_ROOT / "dvc.yaml").read_text() == render(), "run 'gim dvc render' and commit dvc.yaml"


def test_every_code_dependency_exists() -> None:
    missing = [path for stage in PROJECT.values() for path in stage.code if not (PROJECT_ROOT / path).exists()]
    assert missing == []


def test_every_stage_names_known_sections_and_importable_functions() -> None:
    for stage in PROJECT.values():
        for key in (*stage.params, *stage.axis.sections):
            section, _, field = key.partition(".")
            model = load(SECTIONS[section])
            assert not field or field in model.model_fields, f"{stage.name}: {key}"
        for function in filter(None, (stage.fn, stage.axis.keys, stage.external, stage.upstream)):
            assert callable(load(function)), f"{stage.name}: {function}"
