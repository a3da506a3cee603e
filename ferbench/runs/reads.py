"""Test reads of runs: each is put into the ledger before a score is written, and what older runs were tested on is
found in their records."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.records.ledger import LEDGER, Ledger, Read, append, read_ledger
from ferbench.runs.partitions import config_id, unfolded_id
from ferbench.storage import may_write
from ferbench.wording import few_of

if TYPE_CHECKING:
    from ferbench.records.evaluation import Evaluation, EvaluationEntry
    from ferbench.records.run import Run
    from ferbench.runs.directory import RunDirectory
    from ferbench.runs.summary import Scores, Summary


#: The command whose tests are noted, where a run does not say it by itself.
_command: ContextVar[str | None] = ContextVar("command", default=None)


@contextlib.contextmanager
def noted_as(how: str) -> Iterator[None]:
    """Within this block tests of runs that are trained are noted as of the command ``how``."""
    before = _command.set(how)
    try:
        yield
    finally:
        _command.reset(before)


def note(directory: RunDirectory, record: Run, evaluation: Evaluation) -> str | None:
    """Put a reading into the ledger, before anybody sees what came of it.

    Returns:
        The digest of its line; None where it is no test, or the directory lies in no results directory.

    Raises:
        UserError: the ledger cannot be written.
    """
    from ferbench.runs.summary import is_test

    results = results_of(directory)
    if results is None or not is_test(evaluation):
        return None
    read = _reading(directory.path.name, record, short(evaluation.evaluation_id), evaluation)

    def older(known: Ledger) -> list[Read]:
        return [] if known.reads else list(_found(results, known))

    (written,) = append(results, [read], older, lambda: may_write(directory.path))
    return written.digest


def results_of(directory: RunDirectory) -> Path | None:
    """The results directory that a run lies in; None where it lies in none."""
    place = directory.path.parent
    return place.parent if place.name == "runs" else None


def adopt(results: Path, runs: Collection[str] | None = None) -> int:
    """Put into the ledger what records of runs have been tested on and it does not have, and take out a line that was
    cut short.

    Args:
        results: the results directory.
        runs: names of directories; None: all of them.

    Returns:
        How many readings were added.

    Raises:
        UserError: the ledger cannot be written.
    """
    there = read_ledger(results)
    if not there.torn and not any(True for _ in _found(results, there, runs)):
        return 0
    added: list[Read] = []

    def lacking(known: Ledger) -> list[Read]:
        added.extend(_found(results, known, runs))
        return added

    append(results, [], lacking)
    return len(added)


def with_found(ledger: Ledger, runs: Iterable[Summary]) -> list[Read]:
    """All readings: those of the ledger, then those that runs tell of and it does not have; their time is empty."""
    known = {read.key for read in ledger.reads}
    found = [
        _of_summary(run, scores)
        for run in runs
        for scores in run.scores
        if scores.tested and (run.training, scores.evaluation) not in known
    ]
    return [*ledger.reads, *found]


def ledger_faults(results: Path, runs: Iterable[Summary], *, alone: bool = False) -> Iterator[tuple[str, str]]:
    """What is the matter with a ledger, and what to do.

    Args:
        results: the results directory.
        runs: that name the lines of their tests.
        alone: only whether those are there is asked.
    """
    restore = "take it from a backup"
    try:
        ledger = read_ledger(results)
    except UserError as error:
        yield error.message.removeprefix(f"{results / LEDGER} "), restore
        return
    for fault in () if alone else ledger.faults:
        mended = "the next test takes it out, and 'ferbench doctor --fix' what it was about from the runs there are"
        yield fault, mended if ledger.torn and fault is ledger.faults[-1] else restore
    known = {read.digest for read in ledger.reads} | {read.recorded for read in ledger.reads}
    lost = [run.run for run in runs if any(scores.read and scores.read not in known for scores in run.scores)]
    if lost:
        yield (
            f"it lacks test reads of {few_of(lost)}: lines were removed, or these runs came from elsewhere",
            f"{restore}; or 'ferbench doctor --fix' adds what the runs say, which is then marked as found",
        )


def _found(results: Path, known: Ledger, runs: Collection[str] | None = None) -> Iterator[Read]:
    """What records tell of and a ledger does not have, oldest first."""
    from ferbench.runs.directory import all_runs
    from ferbench.runs.summary import is_test

    there = {read.key for read in known.reads}
    vouched = {read.digest for read in known.reads} | {read.recorded for read in known.reads}
    found = []
    for directory in all_runs(results):
        if runs is not None and directory.path.name not in runs:
            continue
        try:
            record = directory.load()
        except UserError:
            continue
        found += [
            read
            for name, entry in record.evaluations.items()
            if is_test(entry)
            and (
                (read := _reading(directory.path.name, record, name, entry, found=True)).key not in there
                or (read.recorded and read.recorded not in vouched)
            )
        ]
    yield from sorted(found, key=lambda read: read.time)


def _reading(run: str, record: Run, name: str, entry: EvaluationEntry, *, found: bool = False) -> Read:
    from ferbench.runs.summary import plain_options

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    finished = getattr(entry, "finished", None) or record.finished
    return Read(
        time=(finished or now) if found else now,
        test_set=entry.rows_digest,
        samples=entry.n,
        dataset=record.data.dataset if entry.data is None else entry.data.dataset,
        run=run,
        name=record.name,
        config=unfolded_id(record) if record.data.test_fold is not None else config_id(record),
        training=record.identity.training_id,
        seed=record.seed,
        evaluation=name,
        kind=kind_of_read(record, entry),
        how=_how(record, entry),
        options=plain_options(entry),
        found=found,
        recorded=(entry.read or "") if found else "",
    )


def _of_summary(run: Summary, scores: Scores) -> Read:
    data = scores.data or run.data
    return Read(
        time="",
        test_set=scores.rows,
        samples=scores.n,
        dataset=data.dataset or "",
        run=run.run,
        name=run.name,
        config=run.unfolded or run.config,
        training=run.training,
        seed=run.seed,
        evaluation=scores.evaluation,
        kind="contaminated" if scores.contaminated else run.kind,
        how="",
        options=scores.options,
        found=True,
    )


def kind_of_read(record: Run, entry: EvaluationEntry) -> str:
    """One of `ferbench.records.ledger.KINDS`."""
    if entry.contaminated or (entry.seen is not None and entry.seen.contaminated):
        return "contaminated"
    return "foreign" if record.is_foreign else str(record.kind)


def _how(record: Run, entry: EvaluationEntry) -> str:
    if not entry.is_own:
        return "evaluate"
    trained = _command.get() or ("run" if record.tuning is None else "tune")
    return {"ensemble": "ensemble", "pooled": "pool", "imported": "import"}.get(record.kind, trained)
