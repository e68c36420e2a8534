"""A training at one step: gaussians, Adam's memory, what densification has gathered; kept in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gim_data.files import atomic
from gim_models.downstream.splatting.density import Round
from gim_models.downstream.splatting.gaussians import Gaussians
from gim_models.downstream.splatting.render import Rendering

_MEMORY = ("exp_avg", "exp_avg_sq")
_DIGEST = "digest"


@dataclass
class State:
    """Everything that the rest of a training depends on.

    Attributes:
        gaussians: leaves that require gradients.
        adam: with one group per parameter, named after it.
        pull: (N,) sum over renderings of how hard the loss pulled at each centre since the last round.
        drawn: (N,) in how many renderings.
        step: steps done.
        seconds: of training so far.
        history: (step, PSNR, SSIM) on held-out pictures.
    """

    gaussians: Gaussians
    adam: torch.optim.Adam
    pull: Tensor
    drawn: Tensor
    step: int = 0
    seconds: float = 0.0
    history: list[tuple[int, float, float]] = field(default_factory=list)

    def note(self, rendering: Rendering) -> None:
        """Gather what a rendering says after ``backward``."""
        self.pull.index_add_(0, rendering.rows, rendering.pulls())
        self.drawn.index_add_(0, rendering.rows, torch.ones_like(rendering.rows, dtype=self.drawn.dtype))

    def mean_pull(self) -> Tensor:
        """(N,) mean pull while drawn."""
        return self.pull / self.drawn.clamp_min(1)

    def replace(self, round_: Round) -> None:
        """Go on with other gaussians: those that stayed keep their memory, the others begin without one."""
        memory = {}
        for name, values in self.gaussians.tensors().items():
            old = self.adam.state[values]
            blank = torch.zeros_like(round_.gaussians.tensors()[name])
            memory[name] = {key: _carried(old[key], blank, round_.kept) for key in _MEMORY}
            memory[name]["step"] = old["step"]
        rates = {group["name"]: group["lr"] for group in self.adam.param_groups}
        self.gaussians, self.adam = with_adam(round_.gaussians, rates)
        for name, values in self.gaussians.tensors().items():
            self.adam.state[values] = memory[name]
        self.pull, self.drawn = (torch.zeros_like(self.gaussians.logits.detach()) for _ in range(2))


def start(gaussians: Gaussians, rates: Mapping[str, float]) -> State:
    """The state before the first step."""
    leaves, adam = with_adam(gaussians, rates)
    pull, drawn = (torch.zeros_like(leaves.logits.detach()) for _ in range(2))
    return State(leaves, adam, pull, drawn)


def with_adam(gaussians: Gaussians, rates: Mapping[str, float]) -> tuple[Gaussians, torch.optim.Adam]:
    """Leaves of the same values, and an optimizer with a rate for each parameter."""
    leaves = Gaussians(
        **{name: values.detach().clone().requires_grad_() for name, values in gaussians.tensors().items()}
    )
    groups = [{"params": [values], "lr": rates[name], "name": name} for name, values in leaves.tensors().items()]
    return leaves, torch.optim.Adam(groups, eps=1e-15)  # gradients are tiny; the usual 1e-8 would swallow them


def save(path: Path, state: State, digest: str) -> None:
    """Write the state, whole or not at all; ``digest`` says what it belongs to."""
    tensors = {f"gaussians.{name}": values for name, values in state.gaussians.tensors().items()}
    for name, values in state.gaussians.tensors().items():
        tensors |= {f"{key}.{name}": state.adam.state[values][key] for key in (*_MEMORY, "step")}
    tensors |= {
        "pull": state.pull,
        "drawn": state.drawn,
        "progress": torch.tensor([state.step, state.seconds], dtype=torch.float64),
        "history": torch.tensor(state.history, dtype=torch.float64).reshape(-1, 3),
    }
    plain = {name: values.detach().cpu().contiguous() for name, values in tensors.items()}
    with atomic(path) as temporary:
        save_file(plain, temporary, metadata={_DIGEST: digest})


def resume(path: Path, rates: Mapping[str, float], digest: str, device: str) -> State | None:
    """The state in a file; None where there is none, it is damaged, or it belongs to something else."""
    try:
        with safe_open(path, "pt", device=device) as stored:
            if (stored.metadata() or {}).get(_DIGEST) != digest:
                return None
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError):
        return None
    gaussians = Gaussians(
        **{key.removeprefix("gaussians."): tensors[key] for key in tensors if key.startswith("gaussians.")}
    )
    leaves, adam = with_adam(gaussians, rates)
    for name, values in leaves.tensors().items():
        adam.state[values] = {key: tensors[f"{key}.{name}"] for key in _MEMORY}
        adam.state[values]["step"] = tensors[f"step.{name}"].cpu()  # where Adam keeps its count
    step, seconds = tensors["progress"].tolist()
    history = [(int(at), psnr, ssim) for at, psnr, ssim in tensors["history"].tolist()]
    return State(leaves, adam, tensors["pull"], tensors["drawn"], int(step), seconds, history)


def _carried(old: Tensor, blank: Tensor, kept: Tensor) -> Tensor:
    """Memory of the kept rows, zeros for the new ones."""
    values = blank.clone()
    values[: len(kept)] = old[kept]
    return values
