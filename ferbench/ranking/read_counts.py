"""How often the test set of a group was read, and by what: the ledger of test reads, beside what is still there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.ids import canonical_json
from ferbench.records.ledger import Read, read_ledger
from ferbench.runs.index import summaries
from ferbench.runs.reads import with_found
from ferbench.wording import number_of

if TYPE_CHECKING:
    from ferbench.ranking.leaderboard import Group
    from ferbench.runs.summary import Summary

#: A configuration id, and how it was tested.
_Row = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """What is known of the readings of a test set.

    Attributes:
        reads: how many there were.
        found: of these, known from records alone, which older releases made or which came from elsewhere.
        configurations: that were tested, the removed ones among them.
        removed: configurations of which no run is there any more.
        models: trained models, ensembles and the like that were tested.
        removed_models: of these, how many are not there any more.
        kinds: readings by kind, as the ledger has it.
        family: rows that corrections for several comparisons count, all that were tested: configurations, each way of
            testing one alone, or single models.
        gone: of these, rows of which nothing is there any more.
        damaged: the ledger is not what was written.
        lost: models that are removed, by configuration and way of testing.
        rows: configuration and way of testing, by training id and evaluation.
    """

    reads: int
    found: int
    configurations: int
    removed: int
    models: int
    removed_models: int
    kinds: dict[str, int]
    family: int
    gone: int
    damaged: bool = False
    lost: Mapping[_Row, int] = field(default_factory=Counter, repr=False, compare=False)
    rows: Mapping[tuple[str, str], _Row] = field(default_factory=dict, repr=False, compare=False)

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {of.name: getattr(self, of.name) for of in fields(self) if of.compare}

    @property
    def line(self) -> str:
        """It in words."""
        text = f"The test set was read {'once' if self.reads == 1 else f'{self.reads:,} times'}"
        text += f", by {number_of(self.configurations, 'configuration')}"
        if self.models > self.configurations:
            text += f" ({number_of(self.models, 'model')})"
        if self.removed:
            gone = number_of(self.removed, "configuration")
            text += f"; {gone} {_be(self.removed)} removed since, and corrections cover all that were tested"
        elif self.removed_models:
            text += f"; {self.removed_models:,} of the models {_be(self.removed_models)} removed since"
        if self.found:
            text += (
                f"; {number_of(self.found, 'reading')} {_be(self.found)} known from records alone, not noted in time"
            )
        if self.damaged:
            text += "; the ledger of test reads is damaged, and 'ferbench runs verify' says how"
        return f"{text}."


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def lines(results: Path) -> dict[str, str]:
    """What is known of the readings of each test set, in words, by its digest."""
    runs = summaries(results)
    return {digest: counts.line for digest, counts in _counts(results, runs, single=False).items()}


def with_reads(results: Path, groups: Sequence[Group], runs: Sequence[Summary], *, single: bool) -> list[Group]:
    """The groups with what is known of the readings of their test sets, and of each row how many of the models that it
    is over are removed, as ``removed`` of ``rows``.

    Args:
        results: the results directory.
        groups: all that there are of their test sets.
        runs: that are there.
        single: a row is a run.

    Raises:
        UserError: the ledger cannot be read.
    """
    counted = _counts(results, runs, single=single)
    made = []
    for group in groups:
        counts = None if group.test_digest is None else counted.get(group.test_digest)
        if counts is not None:
            counts = replace(counts, family=max(counts.family, len(group.rows)))
            rows = group.rows if single else group.rows.assign(removed=_removed(group, counts))
            group = replace(group, reads=counts, rows=rows)
        made.append(group)
    return made


def _counts(results: Path, runs: Sequence[Summary], *, single: bool) -> dict[str, ReadCounts]:
    """By the digest of the test set."""
    ledger = read_ledger(results)
    there = {key for run in runs for key in (run.run, run.training)}
    of_set: dict[str, list[Read]] = {}
    for read in with_found(ledger, runs):
        of_set.setdefault(read.test_set, []).append(read)
    return {
        digest: _of_reads(reads, there, single=single, damaged=bool(ledger.faults)) for digest, reads in of_set.items()
    }


def _of_reads(reads: Sequence[Read], there: set[str], *, single: bool, damaged: bool) -> ReadCounts:
    left = [read for read in reads if read.run in there or read.training in there]
    clean = [[read for read in several if read.kind != "contaminated"] for several in (reads, left)]
    rows, rows_left = (
        {(read.training if single else read.config, _way(read)) for read in several} for several in clean
    )
    models, models_left = ({(read.config, _way(read), read.training) for read in several} for several in clean)
    configurations, trainings = ({getattr(read, key) for read in reads} for key in ("config", "training"))
    return ReadCounts(
        reads=len(reads),
        found=sum(read.found for read in reads),
        configurations=len(configurations),
        removed=len(configurations - {read.config for read in left}),
        models=len(trainings),
        removed_models=len(trainings - {read.training for read in left}),
        kinds=dict(sorted(Counter(read.kind for read in reads).items())),
        family=len(rows),
        gone=len(rows - rows_left),
        lost=Counter((config, way) for config, way, _ in models - models_left),
        rows={(read.training, read.evaluation): (read.config, _way(read)) for read in clean[0]},
        damaged=damaged,
    )


def _removed(group: Group, counts: ReadCounts) -> list[int]:
    """Of each row the models that were tested as a part of it and are not there any more."""
    trainings = group.members["training_id"].tolist()
    lost = []
    for place, tests in zip(group.places, group.tests, strict=True):
        keys = zip(trainings[place], (evaluation for _, evaluation in tests), strict=True)
        row = next((counts.rows[key] for key in keys if key in counts.rows), None)
        lost.append(0 if row is None else counts.lost[row])
    return lost


def _way(read: Read) -> bytes:
    """How a model was tested; whether it had seen the samples is no way of testing."""
    return canonical_json({key: value for key, value in read.options.items() if key != "seen"})
