"""The colours of figures in both modes of a page, as templates of Plotly."""

from __future__ import annotations

from typing import Any, Literal

Mode = Literal["light", "dark"]

_COLOURS: dict[Mode, dict[str, Any]] = {
    "light": {
        "text": "#1b2430",
        "muted": "#566274",
        "grid": "#e3e8ef",
        "surface": "#ffffff",
        "lines": (
            "#0b5fc1",
            "#b4490b",
            "#15774a",
            "#8038a8",
            "#b3243c",
            "#00707f",
            "#6d5f00",
            "#a82a74",
            "#4a5568",
            "#7a4a1d",
        ),
        "cells": ((0.0, "#f6f9fd"), (0.25, "#dbe9f8"), (0.5, "#bcd7f3"), (0.75, "#97c1ec"), (1.0, "#6aa6e3")),
        "worse_to_better": ((0.0, "#eda15c"), (0.25, "#f4cda6"), (0.5, "#f6f9fd"), (0.75, "#bcd7f3"), (1.0, "#6aa6e3")),
    },
    "dark": {
        "text": "#e6ebf2",
        "muted": "#a5b1c2",
        "grid": "#2c3644",
        "surface": "#161c25",
        "lines": (
            "#6fb1ff",
            "#f5a05c",
            "#5fd39a",
            "#cd97f5",
            "#ff8a99",
            "#5cd0e0",
            "#d8c860",
            "#f48fc8",
            "#b9c3d1",
            "#d9a877",
        ),
        "cells": ((0.0, "#1a222d"), (0.25, "#1b3350"), (0.5, "#1d4474"), (0.75, "#20569b"), (1.0, "#2769c4")),
        "worse_to_better": ((0.0, "#8f4d13"), (0.25, "#57361e"), (0.5, "#1a222d"), (0.75, "#1d4474"), (1.0, "#2769c4")),
    },
}


def template(mode: Mode) -> dict[str, Any]:
    """Plotly template of a mode: colours of text, grid, lines and cells."""
    colours = _COLOURS[mode]
    axis = {
        "gridcolor": colours["grid"],
        "linecolor": colours["grid"],
        "zerolinecolor": colours["grid"],
        "tickcolor": colours["grid"],
        "tickfont": {"color": colours["muted"]},
        "title": {"font": {"color": colours["muted"], "size": 13}, "standoff": 10},
    }
    scale = [list(stop) for stop in colours["cells"]]
    return {
        # One colour of text can be read on every cell, since the scale stays on its side of it.
        "data": {"heatmap": [{"type": "heatmap", "colorscale": scale, "textfont": {"color": colours["text"]}}]},
        "layout": {
            # Of heat maps around zero, which have a colour axis.
            "coloraxis": {"colorscale": [list(stop) for stop in colours["worse_to_better"]], "showscale": False},
            "colorway": list(colours["lines"]),
            "font": {"color": colours["text"], "family": "system-ui, 'Segoe UI', Roboto, sans-serif", "size": 13},
            "paper_bgcolor": colours["surface"],
            "plot_bgcolor": colours["surface"],
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": colours["surface"],
                "bordercolor": colours["muted"],
                "font": {"color": colours["text"]},
            },
            "legend": {"font": {"color": colours["text"]}},
            "shapedefaults": {"line": {"color": colours["muted"]}},
            "annotationdefaults": {"font": {"color": colours["muted"], "size": 12}},
        },
    }
