"""Whether the cells of cells.py give the same numbers with TransformerLens 2 and with algoscope.

`python benchmarks/same_cells.py`; the other library runs in .venv-bench-tl2, from the same file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

HERE = Path(__file__).parent
CLOSE = 1e-5
"""Numbers are float32: they differ by at most this, or by this share of themselves where they exceed 1."""


def numbers(source: str, given: Path, results: Path) -> None:
    """Runs every cell on the stored weights and tokens, and stores what each returns."""
    cells: dict[str, object] = {}
    exec(compile(source, "cells.py", "exec"), cells)
    stored = torch.load(given)
    found = {}
    for cell in cells["CELLS"]:
        result = cell(cells["build"](stored["state"]), stored["tokens"])
        parts = result if isinstance(result, tuple) else (result,)
        found[cell.__name__] = [torch.as_tensor(part).detach() for part in parts]
    torch.save(found, results)


def stored_input(path: Path) -> None:
    """Random weights, biases and norms included, and tokens."""
    generator = torch.Generator().manual_seed(0)
    cells: dict[str, object] = {}
    exec(compile(ours(), "cells.py", "exec"), cells)
    state = cells["build"]().state_dict()
    state = {name: value + torch.randn(value.shape, generator=generator) / 4 for name, value in state.items()}
    torch.save({"state": state, "tokens": torch.randint(10, (4, 8), generator=generator)}, path)


def ours() -> str:
    """The same cells with the one word changed."""
    return (HERE / "cells.py").read_text().replace("transformer_lens", "algoscope.hooked")


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    given, here, there = folder / "given.pt", folder / "algoscope.pt", folder / "transformer_lens.pt"
    stored_input(given)
    numbers(ours(), given, here)
    peer = HERE.parent / ".venv-bench-tl2" / "bin" / "python"
    subprocess.run([peer, __file__, given, there], check=True)
    expected, worst = torch.load(there), 0.0
    for name, parts in torch.load(here).items():
        assert len(parts) == len(expected[name]), name
        pairs = list(zip(parts, expected[name], strict=True))
        assert all(one.shape == other.shape for one, other in pairs), name
        differences = [
            ((one.double() - other.double()).abs() / other.double().abs().clamp(min=1)).max()
            for one, other in pairs
        ]
        largest = max(float(difference) for difference in differences)
        worst = max(worst, largest)
        print(f"{name:40} {largest:.1e} {'' if largest <= CLOSE else 'DIFFERENT'}")
    print(f"{len(expected)} cells, largest difference {worst:.1e}, at most {CLOSE:.0e} wanted")
    sys.exit(worst > CLOSE)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        numbers((HERE / "cells.py").read_text(), Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
