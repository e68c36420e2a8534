"""A benchmark image among the training frames is named by 'gim run' and in the report, not only in Dagster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gim_data.files import write_json
from gim_data.ledger import Entry, Ledger
from gim_data.types import Image
from gim_data.video.framestore import StoredFrame, write_frames
from orchestration.leak_warning import leak_warning


def picture(seed: int) -> Image:
    coarse = np.random.default_rng(seed).uniform(0, 255, (9, 12, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (240, 180), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def make_frames(root: Path, *images: Image) -> None:
    ledger = Ledger(root)
    out, _ = ledger.begin("frames", "walk", "d")
    write_frames(out, [StoredFrame(0.5 * i, 0, image) for i, image in enumerate(images)], source_size=(240, 180))
    ledger.commit("frames", "walk", out, Entry("d", "", {}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a curve, a video of two frames, and a benchmark of two other images."""
    (tmp_path / "params.yaml").write_text("{}")
    make_frames(tmp_path, picture(0), picture(1))
    ledger = Ledger(tmp_path)
    for stage in ("bench", "scaling_curve"):
        out, _ = ledger.begin(stage, "all", "d")
        for i in (2, 3):
            (out / "street").mkdir(exist_ok=True)
            cv2.imwrite(str(out / "street" / f"street-{i}.png"), cv2.cvtColor(picture(i), cv2.COLOR_RGB2BGR))
        if stage == "scaling_curve":
            write_json(out / "scaling.json", {"note": "", "thresholds": [5], "rows": []})
        ledger.commit(stage, "all", out, Entry("d", "", {}))
    return tmp_path


def test_a_planted_benchmark_image_is_named_when_the_frames_change(root: Path) -> None:
    assert leak_warning(root) == ""
    make_frames(root, picture(0), picture(3))
    for _ in range(2):  # computed, then kept
        assert "street-3.png is walk, frame 1 at 0.50 s" in leak_warning(root)
    make_frames(root, picture(0), picture(1))
    assert leak_warning(root) == ""


def test_an_answer_is_kept_for_what_it_was_about(root: Path) -> None:
    """The pictures are not read again as long as the ledger says that they are the same."""
    assert leak_warning(root) == ""
    for path in (root / "data" / "bench").rglob("*.png"):
        path.write_bytes(b"no picture")
    assert leak_warning(root) == ""
    (root / "data" / ".work" / "leaks.json").write_text("damaged")
    assert "cannot be compared" in leak_warning(root)


def test_without_a_curve_there_is_nothing_to_warn_of(root: Path) -> None:
    make_frames(root, picture(2))
    Ledger(root).remove("scaling_curve", "all")
    assert leak_warning(root) == ""


def test_run_and_report_say_so(root: Path, gim: Callable[..., tuple[int, str, str]]) -> None:
    make_frames(root, picture(2))
    told = "1 benchmark images are training pictures: street-2.png is walk, frame 0 at 0.00 s"
    assert told in gim("--root", root, "run", "scaling_curve")[2]
    code, _, errors = gim("--root", root, "report")
    assert (code, told in errors) == (0, True)
    assert told in (root / "report" / "index.html").read_text()
    make_frames(root, picture(0))
    assert gim("--root", root, "report")[2] == ""
    assert "training pictures:" not in (root / "report" / "index.html").read_text()
