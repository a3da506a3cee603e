"""What there is to show of a timeline: in words, and as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.tables.table import duration
from ferbench.temporal.patterns import Patterns
from ferbench.temporal.timeline import Frame, Timeline


@dataclass(frozen=True)
class TimelineView:
    """What there is to show.

    Attributes:
        timeline: with at least one frame, smoothed as asked.
        source: the folder or file, for people.
        kind: ``images``, ``animation`` or ``video``.
        run: id of the run whose model it is.
        name: of the run, where it has one.
        window: frames that were averaged; 1: none.
        faulty: frames that could not be seen.
        fps: frames a second that the user gave.
        synthetic: the model was trained on generated images.
    """

    timeline: Timeline
    source: str
    kind: str
    run: str
    name: str | None
    window: int
    faulty: tuple[Frame, ...]
    fps: float | None
    synthetic: bool

    @property
    def timed(self) -> bool:
        return not bool(np.isnan(self.timeline.seconds).any())


def headline(view: TimelineView, patterns: Patterns) -> list[str]:
    """What there is to say, in a few sentences."""
    names = view.timeline.class_names
    dominant = patterns.dominant
    lines = [
        f"dominant: {names[dominant]}, {100 * patterns.share[dominant]:.0f} % of {patterns.frames:,} frames"
        + (f" in {duration(patterns.seconds)}" if patterns.seconds > 0 else "")
    ]
    if math.isnan(patterns.volatility):
        lines.append("no frame follows another, so there are no transitions")
        return lines
    rate = f", {patterns.switches_per_minute:.1f} a minute" if patterns.seconds > 0 else ""
    often = ""
    if patterns.transitions:
        before, after, count = patterns.transitions[0]
        often = f", most often {names[before]} → {names[after]} ({count:,})"
    lines.append(f"transitions: {patterns.switches:,} in {int(patterns.steps.sum()):,} steps{rate}{often}")
    lines.append(f"volatility: {patterns.volatility:.4f}, the mean change of the probabilities from frame to frame")
    return lines


def document(view: TimelineView, patterns: Patterns) -> dict[str, Any]:
    """Everything as plain values."""
    timeline, names, affect = view.timeline, view.timeline.class_names, view.timeline.affect

    def by_class(values: NDArray[Any]) -> dict[str, float | None]:
        return {name: number(value) for name, value in zip(names, values, strict=True)}

    return {
        "run": view.run,
        "name": view.name,
        "source": {"name": view.source, "kind": view.kind, "every": timeline.every, "fps": view.fps},
        "smooth": view.window,
        "synthetic": view.synthetic,
        "classes": list(names),
        "patterns": {
            "frames": patterns.frames,
            "seconds": number(patterns.seconds),
            "dominant": names[patterns.dominant],
            "share": by_class(patterns.share),
            "mean_probability": by_class(patterns.mean),
            "volatility": number(patterns.volatility),
            "mean_change": by_class(patterns.restlessness),
            "switches": patterns.switches,
            "switch_rate": number(patterns.switch_rate),
            "switches_per_minute": number(patterns.switches_per_minute),
            "transitions": [{"from": names[i], "to": names[j], "count": n} for i, j, n in patterns.transitions],
            "steps": patterns.steps.tolist(),
            "episodes": [
                {
                    "class": names[episode.label],
                    "first_frame": int(timeline.index[episode.first]),
                    "last_frame": int(timeline.index[episode.last]),
                    "start": number(episode.start),
                    "seconds": number(episode.seconds),
                }
                for episode in patterns.episodes
            ],
        },
        "frames": [
            {
                "frame": int(timeline.index[i]),
                "name": timeline.names[i],
                "seconds": number(timeline.seconds[i]),
                "predicted": names[timeline.predicted[i]],
                "probabilities": by_class(timeline.probabilities[i]),
                "deltas": by_class(deltas),
                "change": number(change),
                **({} if affect is None else {"valence": float(affect[i, 0]), "arousal": float(affect[i, 1])}),
            }
            for i, (deltas, change) in enumerate(zip(timeline.deltas, timeline.change, strict=True))
        ],
        "faulty": [{"frame": frame.index, "name": frame.name, "reason": frame.fault} for frame in view.faulty],
    }


def number(value: Any) -> float | None:
    """A number as JSON and tables have it: None for NaN."""
    return float(value) if math.isfinite(value) else None
