"""What a grid would do, without doing it."""

from __future__ import annotations

import heapq
import resource
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import psutil  # type: ignore[import-untyped]

from ferbench.api.conduct import forewarnings
from ferbench.cli.devices import shared_batch
from ferbench.cli.json_output import echo_json
from ferbench.cli.tables import fitting, show, terminal_width
from ferbench.data.shards import Shards
from ferbench.errors import UserError
from ferbench.experiment.differences import beside_title
from ferbench.experiment.prepare import Combination, refuse_if_all_skipped
from ferbench.ids import short
from ferbench.plugin.culprit import in_a_line
from ferbench.processes.workers import threads_each, visible_gpus
from ferbench.tables.table import duration, size
from ferbench.training.estimate import Estimator
from ferbench.training.runtime import choose_device

if TYPE_CHECKING:
    from ferbench.training.estimate import Estimate


def show_plan(combinations: Sequence[Combination], *, as_json: bool, workers: int = 1) -> None:
    """Print what would be run, with ids and what it will cost.

    Args:
        combinations: planned.
        as_json: as JSON.
        workers: runs that would be trained at once.
    """
    workers = min(workers, sum(c.plan is not None and not c.skip for c in combinations)) or 1
    plans = [c.plan for c in combinations if c.plan is not None and not c.skip and not c.done]
    estimator = Estimator(threads_each(workers), plans)
    estimates: list[Estimate | None] = []
    trained: set[str] = set()
    for combination in combinations:
        estimate = None
        to_run = combination.plan is not None and not combination.skip and not combination.done
        # What differs in the way of testing alone is trained once.
        if combination.plan is not None and to_run and combination.plan.training_id not in trained:
            trained.add(combination.plan.training_id)
            try:
                estimate = estimator.estimate(combination.plan)
            except UserError as error:
                combination.refuse(error)
            except Exception as error:  # a plugin's, whatever it may be
                combination.skip = in_a_line(error)
                remedy = "run that combination alone without --dry-run to see where"
                combination.error = UserError(f"{combination.label} cannot run: {combination.skip}", remedy)
        estimates.append(estimate)
    refuse_if_all_skipped(combinations)
    planned = [combination.plan for combination in combinations if combination.plan and combination.action == "run"]
    for warning in dict.fromkeys(line for plan in planned for line in forewarnings(plan)):
        click.echo(warning, err=True)
    if as_json:
        entries = [_plan_entry(c, e) for c, e in zip(combinations, estimates, strict=True)]
        echo_json(entries)
        return
    varied = list(beside_title(combinations[0].varied))
    rows = []
    for combination, estimate in zip(combinations, estimates, strict=True):
        plan = combination.plan
        rows.append(
            [
                combination.label,
                *beside_title(combination.varied).values(),
                short(plan.training_id) if plan else "",
                short(plan.config_id) if plan else "",
                f"skip ({combination.skip})" if combination.skip else combination.action,
                duration(round(estimate.seconds)) if estimate else "",
                size(estimate.disk_bytes) if estimate else "",
            ]
        )
    ids, costs = ("training id", "config id"), ("time", "disk")
    width = terminal_width()
    show(
        fitting(
            ["combination", *varied, *ids, "action", *costs],
            rows,
            width,
            spare=["config id", "disk", *varied],
            right=costs,
        ),
        width,
    )
    for line in dict.fromkeys(_shared(combination) for combination in combinations if combination.action == "run"):
        if line is not None:
            click.echo(f"\n{line}")
    todo = [estimate for estimate in estimates if estimate is not None]
    running = sum(combination.action == "run" for combination in combinations)
    reused = sum(combination.done for combination in combinations)
    skipped = sum(combination.skip is not None for combination in combinations)
    ways, disk = _ways(combinations, workers), sum(e.disk_bytes for e in todo)
    seconds, low, high = (
        _together([of(e) for e in todo], ways) for of in (lambda e: e.seconds, lambda e: e.low, lambda e: e.high)
    )
    spare = sum(sorted((e.disk_peak_bytes - e.disk_bytes for e in todo), reverse=True)[:workers])
    at_once = f", {workers} at once" if workers > 1 else ""
    click.echo(
        f"\n{running} to run{at_once}, {reused} to reuse, {skipped} skipped; about {duration(round(seconds))} "
        f"on this machine ({_sureness(todo, low, high)}; other work on it makes it longer) and {size(disk)} of disk"
        + (f", {size(disk + spare)} while it trains" if spare else "")
    )
    if workers > 1 and todo:
        each, free = _memory(), psutil.virtual_memory().available
        click.echo(
            f"a run takes about {size(each)} of memory, {min(workers, len(todo))} at once {size(each * workers)}; "
            f"{size(free)} are free"
        )


def _sureness(estimates: Sequence[Estimate], low: float, high: float) -> str:
    """How sure the seconds are: the fastest and the slowest of the timings, and whether there was time for them."""
    if not all(estimate.whole for estimate in estimates):
        return "a rough guess: there was time to measure small parts of it alone"
    return f"timed on a few batches: {duration(round(low))} to {duration(round(high))}"


def _together(seconds: Sequence[float], ways: int) -> float:
    """How long so many runs at once take for all, each begun where another has ended."""
    ends = [0.0] * ways
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def _ways(combinations: Sequence[Combination], workers: int) -> int:
    """How many runs really go on at once: those that share a GPU wait for each other."""
    plans = [combination.plan for combination in combinations if combination.plan is not None]
    devices = {choose_device(plan.resolved.recipe.runtime.device).type for plan in plans}
    return min(workers, max(1, len(visible_gpus()))) if "cuda" in devices else workers


def _memory() -> int:
    """Bytes that this process has taken at most, by now for a few batches of the largest run."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _shared(combination: Combination) -> str | None:
    """How several devices share a batch; None where there is only one."""
    plan = combination.plan
    return None if plan is None or plan.resolved.recipe.runtime.devices == 1 else shared_batch(plan)


def _plan_entry(combination: Combination, estimate: Estimate | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "action": combination.action,
        "reason": combination.skip,
        "label": combination.label,
        "varied": combination.varied,
        "settings": combination.settings,
    }
    plan = combination.plan
    if plan is not None:
        split = plan.split
        entry |= {
            "fold": plan.resolved.recipe.data.fold,
            "test_fold": plan.resolved.recipe.data.test_fold,
            "training_id": plan.training_id,
            "config_id": plan.config_id,
            "evaluation_ids": {role: plan.evaluation_id(role) for role in plan.evaluation_rows()},
            "test_digest": split.test_digest,
            "pack": plan.pack.digest,
            "samples": {
                "train": len(split.train),
                "validation": len(split.validation),
                "test": len(split.test),
            },
        }
        recipe = plan.resolved.recipe
        entry["batch"] = {
            "devices": recipe.runtime.devices,
            "size": recipe.training.batch_size,
            "shards": [len(part) for part in Shards(recipe.runtime.devices).all(recipe.training.batch_size)],
            "effective": recipe.training.batch_size * recipe.training.accumulate,
        }
    if estimate is not None:
        entry["estimate"] = {
            "seconds": round(estimate.seconds, 3),
            "low_seconds": round(estimate.low, 3),
            "high_seconds": round(estimate.high, 3),
            "whole_batches": estimate.whole,
            "disk_bytes": estimate.disk_bytes,
            "disk_peak_bytes": estimate.disk_peak_bytes,
        }
    return entry
