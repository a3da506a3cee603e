"""The page of a timeline."""

from __future__ import annotations

import math

from ferbench.report.about_run import Tile
from ferbench.report.page import figures_page
from ferbench.report.timeline_figures import timeline_figures
from ferbench.report.timeline_tables import class_table, episode_table, transition_table
from ferbench.report.timeline_view import TimelineView, headline
from ferbench.tables.table import duration
from ferbench.temporal.patterns import Patterns
from ferbench.wording import one_line


def timeline_page(view: TimelineView, patterns: Patterns) -> str:
    """The page, one file."""
    first, *_ = headline(view, patterns)
    drawn = timeline_figures(view, patterns)
    names = view.timeline.class_names
    tiles = [
        Tile(
            "dominant",
            one_line(names[patterns.dominant]),
            f"{100 * patterns.share[patterns.dominant]:.0f} % of the frames",
        ),
        Tile("frames", f"{patterns.frames:,}", duration(patterns.seconds) if patterns.seconds > 0 else ""),
        Tile("transitions", f"{patterns.switches:,}", _each(patterns)),
    ]
    if not math.isnan(patterns.volatility):
        tiles.append(Tile("volatility", f"{patterns.volatility:.4f}", "mean change from frame to frame"))
    notes = []
    if view.window > 1:
        notes.append(f"Every probability is the mean over {view.window} frames around it.")
    if view.faulty:
        notes.append(f"{len(view.faulty):,} frames could not be seen; nothing is said across these gaps.")
    return figures_page(
        "timeline.html.j2",
        drawn,
        title=f"Timeline of {one_line(view.source)}",
        lead=f"{one_line(view.source)} frame by frame, as {_model(view)} sees it. {first[0].upper()}{first[1:]}.",
        notes=notes,
        synthetic=view.synthetic,
        tiles=tiles,
        figures=drawn,
        classes=class_table(view, patterns),
        transitions=transition_table(view, patterns) if patterns.switches else None,
        episodes=episode_table(view, patterns),
        refresh=None,
    )


def _model(view: TimelineView) -> str:
    return f"run {view.run}" + (f" ({one_line(view.name)})" if view.name else "")


def _each(patterns: Patterns) -> str:
    if patterns.seconds > 0:
        return f"{patterns.switches_per_minute:.1f} a minute"
    return "" if math.isnan(patterns.switch_rate) else f"{100 * patterns.switch_rate:.1f} % of the steps"
