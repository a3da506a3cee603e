"""Pages of timelines in a headless Chromium."""

from __future__ import annotations

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import draw_all

from ferbench.report.timeline_page import timeline_page
from ferbench.report.timeline_view import TimelineView
from ferbench.temporal.patterns import find_patterns
from ferbench.temporal.timeline import Frame, Timeline

EVIL = "<img src=x onerror=console.error('run')></script><script>console.error('run')</script>$a$"
SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def view(names, frames, *, timed=True, source="interview.mp4", faulty=()):
    """A walk between the classes, drawn with a fixed seed."""
    walk = np.cumsum(np.random.default_rng(0).normal(0, 0.5, (frames, len(names))), axis=0)
    probabilities = np.exp(walk - walk.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    index = np.arange(frames)
    seconds = index / 25 if timed else np.full(frames, np.nan)
    timeline = Timeline(names, tuple(f"frame {i}" for i in index), index, seconds, probabilities, None, 1)
    return TimelineView(timeline, source, "video", "0" * 12, source, 1, tuple(faulty), None, True)


def a_video():
    return view(SEVEN, 200)


def a_folder_of_hostile_names():
    return view((EVIL, "<b>b</b>", "%{x}"), 30, timed=False, source=EVIL, faulty=[Frame(30, EVIL, None, None, EVIL)])


def more_frames_than_are_drawn_and_classes_than_lines():
    return view(tuple(f"compound emotion {i}, happily surprised" for i in range(26)), 5_000)


def one_frame():
    return view(SEVEN, 1)


CASES = (a_video, a_folder_of_hostile_names, more_frames_than_are_drawn_and_classes_than_lines, one_frame)


def opened(made, tmp_path, visit, **how):
    path = tmp_path / "timeline.html"
    path.write_text(timeline_page(made, find_patterns(made.timeline)), encoding="utf-8")
    seen = visit(path, **how)
    draw_all(seen.page)
    return seen


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_drawn_without_a_word_or_a_request(case, tmp_path, visit):
    made = case()
    seen = opened(made, tmp_path, visit)
    plots = seen.page.query_selector_all("[data-figure]")
    assert len(plots) == (1 if case is one_frame else 2)
    for plot in plots:
        assert plot.query_selector(".trace, .hm, .points") is not None, plot.get_attribute("data-figure")
    assert seen.console == []
    assert seen.requests == []


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(mode, width, tmp_path, visit):
    found = Axe().run(opened(a_video(), tmp_path, visit, mode=mode, width=width).page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("case", CASES)
def test_nothing_sticks_out_of_the_page(case, width, tmp_path, visit):
    page = opened(case(), tmp_path, visit, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
