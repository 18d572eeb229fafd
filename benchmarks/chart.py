"""The chart of the README, from benchmarks/results/sweep.json. Needs chromium to turn it into a picture."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import plotly.graph_objects as go
from workload import HERE, RESULTS

from algoscope.figures.look import BLUE, LOOK

PICTURE = HERE.parent / "docs" / "images" / "sweep.png"
SIZE = (900, 300)


def main() -> None:
    small = json.loads((RESULTS / "sweep.json").read_text())["small"]
    seconds = small["median_seconds"]
    times = [f"{seconds[name]:.2f} s" + ("" if ratio == 1 else f", {ratio:.0f}×")
             for name, ratio in small["ratios"].items()]  # fmt: skip
    bars = go.Bar(
        y=list(seconds),
        x=list(seconds.values()),
        orientation="h",
        marker_color=[BLUE if name == "algoscope" else "#8c959f" for name in seconds],
        text=times,
        textposition="outside",
        cliponaxis=False,
    )
    figure = go.Figure(bars)
    figure.update_xaxes(title="seconds for 252 interventions on 50 strings (median)", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(template=LOOK, width=SIZE[0], height=SIZE[1], margin={"t": 10, "r": 110})
    picture(figure, PICTURE, SIZE)


def picture(figure: go.Figure, path: Path, size: tuple[int, int]) -> None:
    """Draws a figure with chromium."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "chart.html"
        figure.write_html(page, include_plotlyjs=True, config={"displayModeBar": False})
        page.write_text(page.read_text().replace("<body>", '<body style="margin:0">'))
        command = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ]
        command += ["--disable-background-networking", f"--user-data-dir={folder}/profile"]
        command += [f"--window-size={size[0]},{size[1]}", "--force-device-scale-factor=2"]
        command += ["--virtual-time-budget=5000", f"--screenshot={path}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
