"""The command line: quick to start, errors with a remedy and no traceback, exit codes that scripts can use."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gim_data.params import read_params
from orchestration.cli import main
from orchestration.graph import SECTIONS

PROJECT_ROOT = Path(__file__).parents[2]
Gim = Callable[..., "Done"]


@dataclass
class Done:
    """How a call of the command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def gim(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Call the command in this process."""

    def call(*words: str, root: Path | None = None) -> Done:
        with pytest.raises(SystemExit) as caught:
            main([*(["--root", str(root)] if root else []), *words])
        told = capsys.readouterr()
        return Done(int(caught.value.code or 0), told.out, told.err)

    return call


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(PROJECT_ROOT / "params.yaml", tmp_path)
    return tmp_path


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    probe = (
        "import sys, orchestration.cli; heavy = {'torch', 'dagster', 'mlflow', 'pandas', 'cv2', 'kornia'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True)
    assert done.stdout.strip() == "[]"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "--help"], capture_output=True, check=True, cwd=PROJECT_ROOT
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 1.5  # CPU seconds: the clock on the wall depends on the neighbours


COMMANDS = [
    *([], ["run"], ["status"], ["use"], ["params"], ["dvc", "render"], ["propagate"], ["teachers"]),
    *(["match"], ["homography"], ["bev"], ["reconstruct"], ["localize"]),
    *(["zeb", name] for name in ("unpack", "check", "score", "table", "compare", "leakage")),
    *(["bench", name] for name in ("homography", "points", "bev")),
    *(["labels", name] for name in ("list", "inspect", "verify", "prune", "audit", "view", "export-gim")),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(gim: Gim, command: list[str]) -> None:
    done = gim(*command, "--help")
    assert done.returncode == 0
    assert "Usage: gim" in done.stdout


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (["run"], "no stage named", "gim run --all"),
        (["run", "nonsense"], "no stage 'nonsense'", "the stages are"),
        (["run", "--video", "zzz"], "no unit 'zzz'", "its units are"),
        (["params", "nonsense"], "no section 'nonsense'", "the sections are"),
        (["use"], "nothing to change", "--profile"),
        (["use", "--profile", "huge"], "profile 'huge'", "set 'profile'"),
        (["use", "--videos", "nowhere.mp4"], "nothing at nowhere.mp4", "check the path"),
        (["zeb", "score", "--dumps", "nowhere"], "nowhere", "->"),
        (["zeb", "compare", "a", "b"], "a has no scores in this workspace", "gim run zeb_scores"),
        (["zeb", "table", "--at", "7"], "AUC@7 is not computed", "use one of 5, 10, 20"),
        (["bench", "homography", ".", "--matcher", "rootsift", "--protocol", "x"], "no protocol 'x'", "ransac"),
        (["zeb", "leakage"], "holds no frames to compare", "gim run frames bench"),
        (["zeb", "check", "nowhere"], "nowhere is not a folder", "gl3d"),
        (["zeb", "unpack", "params.yaml", "--out", "nowhere"], "params.yaml is no zip archive", "download it again"),
    ],
)
def test_mistakes_get_a_remedy(gim: Gim, root: Path, words: list[str], problem: str, remedy: str) -> None:
    done = gim(*words, root=root)
    assert done.returncode == 1
    assert problem in done.stderr
    assert remedy in done.stderr


def test_outside_a_workspace(gim: Gim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = gim("status")
    assert done.returncode == 1
    assert "no params.yaml" in done.stderr
    assert "--root" in done.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("frames: {intervall: 1}", "frames.intervall"),
        ("frames: {interval: often}", "frames.interval"),
        ("frames: {interval: -1}", "frames.interval"),
        ("frmes: {}", "unknown section(s) ['frmes']"),
        ("frames: [", "is not YAML"),
        ("profiles: [a]", "profiles is ['a'], not a mapping"),
        ("profile: {a: b}", "profile is {'a': 'b'}, not a name"),
        ("profile: [a]", "profile is ['a'], not a name"),
        ("profiles: {x: 3}", "profiles.x is 3, not a mapping"),
        ("profiles: {x: {frames: [1]}}", "profiles.x.frames is [1], not a mapping"),
        ("frames: 3", "frames is 3, not a mapping"),
        ("1: {}\nfrmes: {}", "unknown section(s) ['1', 'frmes']"),
        ("profile: y\nprofiles: {1: {}, x: {}}", "profile 'y' is not among ['1', 'x']"),
        ("profiles: {x: {frames: {intervall: 1}}}", "profiles.x.frames.intervall"),
        ("profiles: {x: {labels: {zoom: {least: much}}}}", "profiles.x.labels.zoom"),
        ("corpus: {videos: [f\xfcr]}".encode("latin-1"), "is not UTF-8"),
        ("labels: {teachers: [rootsift, xfeat+lightglue]}", "labels.teachers: there is no matcher 'xfeat+lightglue'"),
        ("labels: {teachers: [rotsift]}", "did you mean rootsift"),
        ("labels: {keypoints_of: {rotsift: 512}}", "labels.keypoints_of: there is no matcher 'rotsift'"),
        (
            "evaluate: {baselines: [roosift]}",
            "evaluate.baselines: there is no matcher 'roosift'; did you mean rootsift",
        ),
        ("evaluate: {baselines: [lofter:weights/x]}", "did you mean loftr:weights/x?"),
        ("evaluate: {baselines: [klt]}", "evaluate.baselines: klt follows points through a video"),
    ],
)
def test_bad_parameters_name_file_and_field(gim: Gim, root: Path, text: str | bytes, problem: str) -> None:
    """Whatever reads them says so: a look at the state, a run before its first unit, and the check-up."""
    (root / "params.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for words in (["status"], ["run", "--all"]):
        done = gim(*words, root=root)
        assert done.returncode == 1
        assert problem in done.stderr
        assert "params.yaml" in done.stderr
        assert "-> " in done.stderr
    assert not (root / "data").exists()


@pytest.mark.parametrize(
    "text", [b"frames: [", b"- a", b"", b"# \xfc", b"profiles: [a]", b"profiles: {x: 3}", b"corpus: [a]", b"a: 1\na: 2"]
)
def test_use_leaves_a_file_alone_that_it_cannot_read(gim: Gim, root: Path, text: bytes) -> None:
    (root / "params.yaml").write_bytes(text)
    done = gim("use", "--videos", "synthetic:street", root=root)
    assert done.returncode == 1
    assert "params.yaml" in done.stderr
    assert "-> " in done.stderr
    assert (root / "params.yaml").read_bytes() == text


def test_use_mends_a_profile_that_is_no_name(gim: Gim, root: Path) -> None:
    (root / "params.yaml").write_text("profile: {a: b}\nprofiles: {x: {}}")
    assert gim("use", "--profile", "x", root=root).returncode == 0
    assert gim("status", root=root).returncode == 0


def test_what_a_field_must_be_to_another_counts_when_its_profile_is_active(gim: Gim, root: Path) -> None:
    """The overlay is right on its own: only on this base is its least overlap above the largest."""
    text = "evaluate: {max_overlap: 0.3}\nprofiles: {x: {evaluate: {min_overlap: 0.4}}}\n"
    (root / "params.yaml").write_text(text)
    assert gim("status", root=root).returncode == 0
    assert "max_overlap" in gim("use", "--profile", "x", root=root).stderr


@pytest.mark.parametrize("name", ["klt", "disk+lightglue", "loftr:weights/x", "vismatch:roma"])
def test_names_are_checked_without_opening_anything(gim: Gim, root: Path, name: str) -> None:
    (root / "params.yaml").write_text(f"labels: {{teachers: ['{name}']}}")
    probe = (
        "import sys; from pathlib import Path; from orchestration.workspace import open_params;"
        "open_params(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, str(root)], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True
    )
    assert done.stdout.strip() == "False"


def test_status_of_a_new_workspace_lists_every_stage(gim: Gim, root: Path) -> None:
    done = gim("status", root=root)
    assert done.returncode == 0, done.stderr
    assert "scaling_curve" in done.stdout


def test_params_lists_every_field_with_its_default(gim: Gim, root: Path) -> None:
    done = gim("params", root=root)
    assert done.returncode == 0, done.stderr
    fields = {name for model in read_params(root, SECTIONS).values() for name in type(model).model_fields}
    assert [name for name in fields if name not in done.stdout] == []


def test_an_empty_benchmark_is_all_missing_and_says_where_it_is(gim: Gim, tmp_path: Path) -> None:
    done = gim("zeb", "check", str(tmp_path))
    assert done.returncode == 1
    assert "0 of 45916 pairs" in done.stdout
    assert "github.com/xuelunshen/gim" in done.stdout


def test_findings_come_as_json(gim: Gim, tmp_path: Path) -> None:
    done = gim("zeb", "check", str(tmp_path), "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert len(found) == 12
    assert len(found["Multi-FoV"]["missing"]) == 5000


def test_the_published_table_needs_no_scores(gim: Gim, root: Path) -> None:
    done = gim("zeb", "table", "--format", "markdown", root=root)
    assert done.returncode == 0, done.stderr
    assert "| GIM DKM, 100 h † | **63.3** |" in done.stdout
    assert "not measured here" in done.stdout


def test_a_folder_without_annotated_points_says_what_it_needs(gim: Gim, tmp_path: Path) -> None:
    done = gim("bench", "points", str(tmp_path), "--matcher", "rootsift")
    assert done.returncode == 1
    assert "holds no such pair" in done.stderr
    assert "corrs.txt" in done.stderr
