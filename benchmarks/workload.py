"""What all benchmarks run on: the bracket classifier and strings of length 40."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from measure import Peer
from safetensors.torch import save_file
from torch import Tensor

import algoscope
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import PAD, Brackets

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = {"TransformerLens 2": "tl2", "TransformerLens 4 native": "tl4"}


@dataclass(frozen=True)
class Workload:
    """The model, 1000 inputs without padding, and what the sweep takes its values from."""

    model: Transformer
    tokens: Tensor
    sweep_tokens: Tensor
    sweep_source: tuple[int, ...]
    weights: str

    def write(self) -> Path:
        """A file that a peer's worker reads it from."""
        path = Path(tempfile.mkdtemp()) / "workload.safetensors"
        tensors = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        extra = {"tokens": self.tokens, "sweep_tokens": self.sweep_tokens}
        save_file(tensors | extra | {"sweep_source": torch.tensor(self.sweep_source)}, path)
        return path


def bracket_workload() -> Workload:
    """The public model where ALGOSCOPE_REFERENCE names its folder, the shipped one otherwise."""
    reference = os.environ.get("ALGOSCOPE_REFERENCE")
    public = Path(reference or "") / "arena" / "brackets_model_state_dict.pt"
    weights = str(public) if reference else "brackets"
    model = algoscope.load(weights, task="brackets")
    sample = Brackets().sample(40_000, seed=0).tokens
    full = sample[(sample != PAD).all(1)][:1000]
    source = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    return Workload(
        model, full, full[:50].clone(), tuple(source.tolist()), "public" if reference else "shipped"
    )


def published_weights() -> dict[str, Tensor] | None:
    """The public weights as their file has them, subnormal numbers included; None where it is not there."""
    reference = os.environ.get("ALGOSCOPE_REFERENCE")
    if not reference:
        return None
    path = Path(reference) / "arena" / "brackets_model_state_dict.pt"
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def peers(workload: Workload) -> dict[str, Peer]:
    """The peers whose environments `make bench` has made."""
    path = workload.write()
    found = {}
    for name, short in PEERS.items():
        python = HERE.parent / f".venv-bench-{short}" / "bin" / "python"
        if python.exists():
            found[name] = Peer(python, HERE / f"peer_{short}.py", path)
    return found
