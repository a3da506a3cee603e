"""Time several ways of doing one thing fairly: in turns, in one process, so that all meet the same
disturbances."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def interleave(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Run every side once per round, in turns that start with another side each round, after one warm-up
    each.

    Args:
        sides: what to time, by name.
        rounds: how many times each side is timed.

    Returns:
        seconds per round, by name.
    """
    for work in sides.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(rounds):
        for name in order:
            start = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - start)
        order = order[1:] + order[:1]
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """How many times faster ``fast`` is than ``slow``: the ratio of their medians."""
    return statistics.median(seconds[slow]) / statistics.median(seconds[fast])


def print_ratio(title: str, seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> None:
    """Print each side's median and range in milliseconds, and how many times faster ``fast`` is than
    ``slow``.

    Beside the ratio of the medians stands the range of the ratios within single rounds.
    """
    print(title)
    width = max(map(len, seconds))
    for name, values in seconds.items():
        low, middle, high = (1000 * value for value in (min(values), statistics.median(values), max(values)))
        print(f"  {name:<{width}}  {middle:9.2f} ms  ({low:.2f} to {high:.2f}, {len(values)} rounds)")
    by_round = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    times = f"{ratio(seconds, slow, fast):.1f} times faster ({min(by_round):.1f} to {max(by_round):.1f})"
    print(f"  {fast} is {times}")
