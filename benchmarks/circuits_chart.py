"""The cost of circuit methods against heads and layers, as measured by circuits.py. Needs chromium."""

from __future__ import annotations

import json

import plotly.graph_objects as go
from chart import picture
from plotly.subplots import make_subplots
from workload import RESULTS

from algoscope.figures.look import BLUE, GREEN, LOOK, ORANGE

COLOURS = {"exact": BLUE, "EAP-IG (inputs)": ORANGE, "pruning": GREEN}
AXES = {"heads": "heads in each of 2 layers", "layers": "layers of 4 heads"}
SIZE = (900, 360)


def main() -> None:
    cost = json.loads((RESULTS / "circuits.json").read_text())["cost"]
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for column, (against, title) in enumerate(AXES.items(), start=1):
        for name, colour in COLOURS.items():
            line = go.Scatter(
                x=[each[against] for each in cost[against]],
                y=[each[name] for each in cost[against]],
                name=name,
                line_color=colour,
                showlegend=column == 1,
            )
            figure.add_trace(line, 1, column)
        figure.update_xaxes(title=title, row=1, col=column)
    figure.update_yaxes(type="log")
    figure.update_yaxes(title="seconds", col=1)
    figure.update_layout(template=LOOK, width=SIZE[0], height=SIZE[1])
    picture(figure, RESULTS / "circuits.png", SIZE)


if __name__ == "__main__":
    main()
