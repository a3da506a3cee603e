"""What the figures of a report are made of, as Plotly's plain form: ``{"data": […], "layout": {…}}``.

Colours that depend on the page's mode are not in a figure: they come from a template (`ferbench.report.theme`), which
the page exchanges when the mode changes. No figure codes anything by colour alone: lines differ in dash and marker,
cells carry their number.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ferbench.wording import one_line

#: More classes than this are drawn as a heat map: so many lines cannot be told apart.
LINES = 10
#: A part of a figure in Plotly's plain form.
Plotly = dict[str, Any]
_LONGEST_TICK = 24
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "cross", "star", "pentagon", "hexagon")


@dataclass(frozen=True)
class Figure:
    """A figure with what a page needs to say about it.

    Attributes:
        id: stable name, ``[a-z0-9-]+``.
        title: a few words.
        caption: what it shows, in a sentence.
        spec: Plotly's ``data`` and ``layout``.
        height: pixels.
        least_width: pixels below which it is scrolled instead of squeezed.
        table: id of the table with its numbers.
        wide: it takes a whole row where figures stand side by side.
        views: other states of the first trace by label, for figures that can be switched; the first one is drawn.
    """

    id: str
    title: str
    caption: str
    spec: Plotly
    height: int = 320
    least_width: int = 260
    table: str = ""
    wide: bool = False
    views: dict[str, Plotly] = field(default_factory=dict)


def plain(text: str) -> str:
    """Text that Plotly shows as it is: it reads a subset of HTML in names and labels, and TeX between dollar signs."""
    return html.escape(one_line(text), quote=False).replace("$", "&#36;")


def trace(mode: str, x: Sequence[Any], y: Sequence[Any], hover: str = "", **more: Any) -> Plotly:
    """Points, lines or both; without ``hover`` nothing is said of a point. ``more`` is added as it is."""
    about = {"hovertemplate": hover} if hover else {"hoverinfo": "skip"}
    return {"type": "scatter", "mode": mode, "x": x, "y": y, **about, **more}


def cell_map(
    across: Sequence[str],
    down: Sequence[str],
    z: Sequence[Sequence[float]],
    text: Sequence[Sequence[str]],
    about: Sequence[Sequence[str]],
    *,
    size: int,
    gap: int = 2,
    hover: str = "",
    **more: Any,
) -> Plotly:
    """A heat map whose cells carry their number.

    Args:
        across: names of the columns.
        down: names of the rows.
        z: by row and column.
        text: what stands in each cell.
        about: what each cell is, in Plotly's HTML.
        size: of the text.
        gap: pixels between cells.
        hover: what is said of a cell after ``about``.
        more: is added as it is.
    """
    return {
        "type": "heatmap",
        "x": places(across),
        "y": places(down),
        "z": z,
        "text": text,
        "texttemplate": "%{text}",
        "textfont": {"size": size},
        "customdata": about,
        "hovertemplate": f"%{{customdata}}{hover}<extra></extra>",
        "xgap": gap,
        "ygap": gap,
        "showscale": False,
        **more,
    }


def cell_layout(across: Sequence[str], down: Sequence[str], x: str = "", y: str = "") -> Plotly:
    """The layout of a `cell_map`, with titles of its axes where they have any."""
    titles = {"xaxis": axis(x) if x else {}, "yaxis": axis(y) if y else {}}
    return {
        **layout_of(left=8),
        "xaxis": {**titles["xaxis"], "showgrid": False, **named_axis(across)},
        "yaxis": {**titles["yaxis"], "showgrid": False, **named_axis(down, reverse=True)},
    }


def class_cells(
    epochs: Sequence[int],
    classes: Sequence[str],
    z: Sequence[Sequence[float | None]],
    what: str,
    form: str,
    **more: Any,
) -> Plotly:
    """Data and layout of a heat map of ``z``, which is ``what``, by class and epoch; ``form`` as d3 formats numbers."""
    cells = {
        "type": "heatmap",
        "z": z,
        "x": epochs,
        "y": places(classes),
        "customdata": [[plain(name)] * len(epochs) for name in classes],
        "hovertemplate": f"epoch %{{x}}<br>%{{customdata}}<br>{what} %{{z:{form}}}<extra></extra>",
        "colorbar": {"title": {"text": what}, "thickness": 12},
        **more,
    }
    rows = {"showgrid": False, **named_axis(classes, reverse=True)}
    return {"data": [cells], "layout": {**layout_of(left=8), "xaxis": epochs_axis(epochs), "yaxis": rows}}


def axis(title: str, **more: Any) -> Plotly:
    """An axis with a title."""
    return {"title": {"text": title}, **more}


def named_axis(names: Sequence[str], *, reverse: bool = False) -> Plotly:
    """An axis of names, long ones shortened in the middle. What is drawn along it has `places`, never the names.

    Plotly takes names such as ``1``, ``1e3`` or ``2026-01-01`` for numbers and dates, which then stand elsewhere than
    their ticks, and two equal names for one, also where an axis is said to be of categories.

    Args:
        names: in the order of the axis.
        reverse: from above, or from the right.
    """
    ends = [-0.5, len(names) - 0.5]
    return {
        "type": "linear",
        "range": ends[::-1] if reverse else ends,
        "tickmode": "array",
        "tickvals": places(names),
        "ticktext": [plain(name) for name in shortened(names)],
        "zeroline": False,
        "automargin": True,
    }


def places(names: Sequence[str]) -> list[int]:
    """Where the names of `named_axis` stand."""
    return list(range(len(names)))


def shortened(names: Sequence[str]) -> list[str]:
    """Names in one line each, long ones without their middle, as far as unlike ones stay unlike."""
    lines = [one_line(name) for name in names]
    for longest in (_LONGEST_TICK, 2 * _LONGEST_TICK):
        cut = [line if len(line) <= longest else f"{line[: longest // 2]}…{line[1 - longest // 2 :]}" for line in lines]
        if len(set(cut)) == len(set(lines)):
            return cut
    return lines


def layout_of(left: int = 56, entries: int = 0) -> Plotly:
    """Margins that leave room for a legend of so many entries below the axis."""
    rows = math.ceil(entries / 2.5)
    return {
        "margin": {"t": 24, "r": 16, "b": 50 + 24 * rows, "l": left},
        "hovermode": "closest",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        "showlegend": entries > 0,
    }


def epochs_axis(epochs: Sequence[int]) -> Plotly:
    """From the first to the last, with at most ten ticks."""
    step = max(1, math.ceil(len(epochs) / 10))
    step = next(nice for nice in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if nice >= step)
    # Given, since one that plotly finds makes room for words beside the line, and reaches epochs that there are not.
    beside = max(0.5, 0.04 * (epochs[-1] - epochs[0]))
    around = [epochs[0] - beside, epochs[-1] + beside]
    return axis("epoch", dtick=step, tick0=0, showgrid=False, range=around)
