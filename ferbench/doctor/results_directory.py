"""The results directory: room, what crashes left behind, and runs that are not what they should be."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ferbench.doctor.finding import Finding, entries
from ferbench.doctor.left_locks import check_locks
from ferbench.locks import Held, holding
from ferbench.records.ledger import LEDGER
from ferbench.runs import index
from ferbench.runs.directory import SHORT_ID, RunDirectory
from ferbench.runs.listing import size_of
from ferbench.runs.lock import at_work, holder_path, lock_path
from ferbench.runs.reads import adopt, ledger_faults
from ferbench.runs.removal import REMOVING
from ferbench.runs.summary import look_or_remove
from ferbench.tables.table import size

#: A run is given at least this much room, and more where an earlier one was larger.
_LEAST_ROOM = 200e6

#: A temporary file of nobody's run is left alone this long: its writer may be about to rename it.
_YOUNG_S = 60.0

_FIX = "'ferbench doctor --fix' removes it"


def check_results(results: Path) -> Iterator[Finding]:
    """Look at the results directory; every record is read, weights are not (``ferbench runs verify`` does that)."""
    if not results.is_dir():
        yield Finding("ok", f"results {results}: there are none yet")
        return
    runs = entries(results / "runs")
    yield from _room(results, runs)
    for link in (results / "runs", results / "reports"):
        if link.is_symlink():
            what = f"{link} is a symbolic link: nothing is written through it"
            yield Finding("problem", what, "name the place that it leads to with --results")
    if index.state(results) == "damaged":
        what = f"{results / index.INDEX_FILE} is damaged or of another release"
        yield Finding("note", what, "nothing: it is made again when runs are listed")
    yield from _hidden(runs)
    for place in (results, results / "runs", *entries(results / "studies")):
        yield from check_locks(place)
    yield from _leftovers(results)
    yield from _ledger(results)
    yield from _runs(results, runs)


def _ledger(results: Path) -> Iterator[Finding]:
    """The ledger of test reads; what it lacks can be added from the runs that there are."""
    fix = partial(adopt, results)
    for what, remedy in ledger_faults(results, index.summaries(results)):
        yield Finding("problem", f"{results / LEDGER}: {what}", remedy, fix if "--fix" in remedy else None)


def _room(results: Path, runs: list[Path]) -> Iterator[Finding]:
    sizes = [size_of(path) for path in runs if SHORT_ID.fullmatch(path.name)]
    room, needed = shutil.disk_usage(results).free, max(_LEAST_ROOM, 2 * max(sizes, default=0))
    what = f"results {results}: {len(sizes)} runs, {size(sum(sizes))}; {size(room)} of room"
    if not all(os.access(path, os.W_OK) for path in (results, results / "runs") if path.exists()):
        yield Finding(
            "problem", f"{what}; it cannot be written", "correct the permissions, or name another with --results"
        )
    elif room < needed:
        what = f"{what}, and a run as large as the largest needs {size(needed)} while it is written"
        yield Finding(
            "problem",
            what,
            "free some space: 'ferbench runs list' has sizes, 'ferbench runs trim' frees what only resuming needs",
        )
    else:
        yield Finding("ok", what)


def _hidden(runs: list[Path]) -> Iterator[Finding]:
    """Half-removed runs, and locks of runs that are not there."""
    for path in runs:
        name = path.name
        if REMOVING in name and name.startswith(".") and path.is_dir() and not path.is_symlink():
            what = f"{path} ({size(size_of(path))}) is what is left of a run that was removed"
            yield Finding("problem", what, _FIX, partial(shutil.rmtree, path))
            continue
        run = RunDirectory(path.with_name(name.removeprefix(".").removesuffix(".lock")))
        if path != lock_path(run) or not SHORT_ID.fullmatch(run.path.name) or run.path.exists():
            continue
        if not holder_path(run).exists() and at_work(run) is None:
            yield Finding("problem", f"{path} is the lock of a run that is not there", _FIX, partial(_unlock, run))


def _unlock(run: RunDirectory) -> None:
    with contextlib.suppress(Held), holding(lock_path(run), run.path.name, frees=True):
        if not run.path.exists():
            lock_path(run).unlink(missing_ok=True)


def _leftovers(results: Path) -> Iterator[Finding]:
    """Temporary files of writes that were cut short."""
    for path in sorted(results.rglob(".*.tmp")):
        inside = path.relative_to(results).parts
        if path.is_symlink() or not path.is_file() or any(REMOVING in part for part in inside):
            continue
        owner = RunDirectory(results / "runs" / inside[1]) if inside[0] == "runs" and len(inside) > 2 else None
        young = time.time() - path.stat().st_mtime < _YOUNG_S
        if (owner is None and young) or (owner is not None and at_work(owner) is not None):
            continue
        yield Finding("problem", f"{path} was left behind by a write that was cut short", _FIX, path.unlink)


def _runs(results: Path, runs: list[Path]) -> Iterator[Finding]:
    summaries = {summary.run: summary for summary in index.summaries(results)}
    for path in runs:
        name = path.name
        if name.startswith("."):
            continue
        if path.is_symlink():
            yield Finding(
                "problem", f"{path} is a symbolic link: it is read, and never written", "move the run itself there"
            )
        elif name not in summaries and SHORT_ID.fullmatch(name):
            if at_work(RunDirectory(path)) is None:
                remedy = f"give the command that was ended again; or 'ferbench runs rm {name}' removes it"
                yield Finding("problem", f"run {name} has no record", remedy)
        elif name not in summaries:
            yield Finding("note", f"{path} is no run", "move it elsewhere")
        elif summaries[name].status == "damaged":
            yield Finding("problem", f"run {name} is damaged: {summaries[name].reason}", look_or_remove(name))
        elif summaries[name].status == "running" and at_work(RunDirectory(path)) is None:
            what = f"run {name} says it is running, and no process is at work on it"
            yield Finding(
                "problem", what, f"'ferbench resume {name}' goes on with it, 'ferbench runs rm {name}' removes it"
            )
