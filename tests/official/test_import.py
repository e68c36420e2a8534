"""GIM's published checkpoints, played by files of the same names and shapes with random values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gim_data.errors import GimError
from gim_models.dense.dkm import DKM, DkmShape
from gim_models.dense.roma import RoMa, RomaShape
from gim_models.official.importer import LAYOUTS, check, import_checkpoint, recognise
from gim_models.official.names import expand, published_names
from gim_models.registry import FOLDER_FACTORIES, open_matcher
from gim_models.semidense.loftr import LoFTR
from gim_models.semidense.shape import LoftrShape
from gim_models.sparse.lightglue import GlueNet
from gim_models.sparse.official import OfficialGlueConfig
from gim_models.sparse.superpoint import SuperPoint
from orchestration.cli import main

TENSORS = {"gim_loftr_50h": 375, "gim_lightglue_100h": 275, "gim_dkm_100h": 811, "gim_roma_100h": 603}
LIGHT = ["gim_loftr_50h", "gim_lightglue_100h", "gim_dkm_100h"]  # RoMa and its DINOv2 are 1.7 GB


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


def random_state(checkpoint: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Values that keep activations alive: weights by fan-in, variances around 1."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in published_names(checkpoint).items():
        value = torch.randn(shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            state[name] = value.abs() + 0.5
        elif len(shape) == 1:
            state[name] = value / 10 + float(name.endswith("weight"))
        else:
            state[name] = value * (2 / max(1, value[0].numel())) ** 0.5
    return state


def structure(*modules: tuple[str, torch.nn.Module]) -> dict[str, tuple[int, ...]]:
    return {prefix + name: tuple(value.shape) for prefix, net in modules for name, value in net.state_dict().items()}


def test_a_line_stands_for_its_alternatives():
    found = dict(expand("a.{0-2}.{x,y}.@norm 4"))
    assert len(found) == 3 * 2 * 5
    assert found["a.2.y.running_var"] == (4,)
    assert found["a.0.x.num_batches_tracked"] == ()
    assert dict(expand("b.weight 3 1 5 5")) == {"b.weight": (3, 1, 5, 5)}


@pytest.mark.parametrize(("checkpoint", "tensors"), list(TENSORS.items()))
def test_the_tables_are_complete(checkpoint, tensors):
    """As many as GIM's own files hold."""
    assert len(published_names(checkpoint)) == tensors


def test_the_networks_are_those_of_the_tables():
    with torch.device("meta"):
        loftr = LoFTR(LoftrShape())
        glue, detector = GlueNet(OfficialGlueConfig().shape), SuperPoint()
    assert structure(("", loftr)) == published_names("gim_loftr_50h")
    found = structure(("model.", glue), ("detector.", detector))
    assert found.pop("model.confidence_thresholds") == (9,)  # a constant that kornia keeps among the weights
    assert found == published_names("gim_lightglue_100h")


def test_the_dense_networks_are_those_of_the_tables():
    with torch.device("meta"):
        dkm, roma = DKM(DkmShape()), RoMa(RomaShape())
    assert structure(("", dkm)) == published_names("gim_dkm_100h")
    frozen = {f"encoder.dinov2.{name}": shape for name, shape in published_names("dinov2_vitl14").items()}
    assert structure(("", roma)) == published_names("gim_roma_100h") | frozen


def few(checkpoint: str) -> dict[str, torch.Tensor]:
    """Right names and shapes that take no memory: every value is a view of one zero."""
    return {name: torch.zeros(()).expand(shape) for name, shape in published_names(checkpoint).items()}


def test_all_four_layouts_are_recognised():
    for checkpoint in TENSORS:
        layout, renamed = recognise(few(checkpoint), Path("x.ckpt"))
        assert layout.checkpoint == checkpoint
        check(renamed, published_names(checkpoint), Path("x.ckpt"), checkpoint)


def test_the_classifier_of_the_encoder_is_dropped():
    released = {f"model.{name}": value for name, value in few("gim_dkm_100h").items()}
    released["model.encoder.net.fc.weight"] = torch.zeros(1000, 2048)
    layout, renamed = recognise(released, Path("x.ckpt"))
    assert set(renamed) == set(published_names(layout.checkpoint))


def test_roma_asks_for_dinov2(monkeypatch, tmp_path):
    monkeypatch.setattr("gim_models.official.importer.read_checkpoint", lambda file: few("gim_roma_100h"))
    with pytest.raises(GimError, match="without the DINOv2") as caught:
        import_checkpoint(tmp_path / "roma.ckpt", tmp_path / "made")
    assert "--dinov2" in caught.value.remedy


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def shrink(config: Path) -> None:
    """Canvases of a size that one core can do."""
    content = json.loads(config.read_text()) | {"size": [96, 64], "sharp_size": [128, 96], "samples": 100}
    config.write_text(json.dumps(content))


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", LIGHT)
def test_an_imported_checkpoint_matches_and_repeats(checkpoint, tmp_path):
    state = random_state(checkpoint)
    file = tmp_path / f"{checkpoint}.ckpt"
    torch.save({"state_dict": state, "epoch": 3}, file)
    done = import_checkpoint(file, tmp_path / "made")
    assert done.checkpoint == checkpoint
    if checkpoint == "gim_dkm_100h":
        shrink(tmp_path / "made" / "config.json")
    first, second = (open_matcher(done.matcher).match(noise(72, 96), noise(64, 100, 1)) for _ in range(2))
    for one, other in ((first.keypoints0, second.keypoints0), (first.keypoints1, second.keypoints1)):
        assert np.isfinite(one).all()
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("checkpoint", "outer"),
    [("gim_loftr_50h", "model."), ("gim_loftr_50h", "matcher."), ("gim_lightglue_100h", "superpoint.")],
)
def test_prefixes_of_the_releases_are_taken_off(checkpoint, outer, tmp_path):
    state = random_state(checkpoint)
    if outer == "superpoint.":
        released = {name.replace("detector.", outer): value for name, value in state.items()}
    else:
        released = {outer + name: value for name, value in state.items()}
    save_file(released, tmp_path / "released.safetensors")
    torch.save(state, tmp_path / "plain.ckpt")
    done = [import_checkpoint(tmp_path / name, tmp_path / name[:5]) for name in ("released.safetensors", "plain.ckpt")]
    assert done[0].tensors == done[1].tensors == len(state)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("relea", "plain")]
    assert weights[0] == weights[1]


def test_every_difference_is_named(tmp_path):
    state = random_state("gim_loftr_50h")
    state["backbone.encode.layer4.0.conv1.weight"] = torch.zeros(1)
    del state["backbone.layer3_outconv.weight"]
    state["loftr_fine.layers.0.merge.weight"] = torch.zeros(64, 128)
    state["backbone.encode.bn1.bias"][3] = torch.nan
    file = tmp_path / "changed.ckpt"
    torch.save(state, file)
    with pytest.raises(GimError, match=r"changed\.ckpt is not gim_loftr_50h") as caught:
        import_checkpoint(file, tmp_path / "made")
    for words in (
        "unknown backbone.encode.layer4.0.conv1.weight",
        "missing backbone.layer3_outconv.weight",
        "loftr_fine.layers.0.merge.weight is (64, 128), not (128, 128)",
        "backbone.encode.bn1.bias is not finite",
    ):
        assert words in caught.value.problem
    assert not (tmp_path / "made").exists()


class Trap:
    """Would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    file, sprung = tmp_path / "evil.ckpt", tmp_path / "sprung"
    torch.save({"state_dict": random_state("gim_loftr_50h"), "extra": Trap(sprung)}, file)
    with pytest.raises(GimError, match=r"evil\.ckpt"):
        import_checkpoint(file, tmp_path / "made")
    assert not sprung.exists()


@pytest.mark.parametrize("content", [None, b"not a zip", {}, {"a": 1}, {"a": torch.zeros(1)}])
def test_other_files_are_refused_by_name(content, tmp_path):
    file = tmp_path / "other.ckpt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(GimError, match=r"other\.ckpt") as caught:
        import_checkpoint(file, tmp_path / "made")
    assert caught.value.remedy


def test_what_is_imported_can_be_opened():
    assert {layout.matcher for layout in LAYOUTS} <= set(FOLDER_FACTORIES)


def test_the_command_prints_the_name_of_the_matcher(tmp_path, capsys):
    file = tmp_path / "gim_loftr_50h.safetensors"
    save_file(random_state("gim_loftr_50h"), file)
    with pytest.raises(SystemExit) as done:
        main(["weights", "import", str(file)])
    assert done.value.code == 0
    assert f"matcher  loftr:{tmp_path}/gim_loftr_50h\n" in capsys.readouterr().out
    assert (tmp_path / "gim_loftr_50h" / "config.json").is_file()


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    with pytest.raises(SystemExit) as done:
        main(["weights", "import", str(tmp_path / "absent.ckpt")])
    assert done.value.code == 1
    assert "absent.ckpt" in capsys.readouterr().err
