"""Figures of reports as figures of Plotly."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ferbench.report.charts import Figure


def plotly_figure(figure: Figure) -> go.Figure:
    """A figure as Plotly has it, with its title, and buttons where a page can switch it."""
    import plotly.graph_objects as go

    from ferbench.report.theme import template

    spec = copy.deepcopy(figure.spec)
    top = 70 + (40 if figure.views else 0)
    layout = {**spec["layout"], "template": template("light"), "height": figure.height + top, "autosize": True}
    layout["title"] = {"text": figure.title}
    layout["margin"] = {**layout.get("margin", {}), "t": top}
    if figure.views:
        buttons = [
            {"label": label, "method": "restyle", "args": [{key: [value] for key, value in view.items()}, [0]]}
            for label, view in figure.views.items()
        ]
        place = {"direction": "right", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"}
        layout["updatemenus"] = [{"type": "buttons", "buttons": buttons, **place}]
    return go.Figure({"data": spec["data"], "layout": layout})
