"""How often the test set of a group was read, and by what: the ledger of test reads, beside what is still there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ferbench.ids import canonical_json
from ferbench.records.ledger import Read
from ferbench.wording import number_of

if TYPE_CHECKING:
    from ferbench.ranking.leaderboard import Group
    from ferbench.runs.summary import Summary


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

    @property
    def line(self) -> str:
        """It in words."""
        text = f"The test set was read {'once' if self.reads == 1 else f'{self.reads:,} times'}"
        text += f", by {number_of(self.configurations, 'configuration')}"
        if self.models > self.configurations:
            text += f" ({number_of(self.models, 'model')})"
        if self.removed:
            text += f"; {self.removed:,} of them {_be(self.removed)} removed since, and corrections cover these too"
        elif self.removed_models:
            text += f"; {self.removed_models:,} of the models {_be(self.removed_models)} removed since"
        if self.found:
            text += f"; from records alone {number_of(self.found, 'reading')} {_be(self.found)} known, without a ledger"
        return f"{text}."


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def with_reads(groups: Sequence[Group], reads: Iterable[Read], runs: Iterable[Summary], *, single: bool) -> list[Group]:
    """The groups with what is known of the readings of their test sets, and of each row how many of the models that it
    is over are removed, as ``removed`` of ``rows``.

    Args:
        groups: all that there are of their test sets.
        reads: of the results directory (`ferbench.runs.reads.with_found`).
        runs: that are there.
        single: a row is a run.
    """
    there: set[str] = set()
    for run in runs:
        there |= {run.run, run.training}
    of_set: dict[str, list[Read]] = {}
    for read in reads:
        of_set.setdefault(read.test_set, []).append(read)
    return [
        group
        if group.test_digest is None or group.test_digest not in of_set
        else _counted(group, of_set[group.test_digest], there, single=single)
        for group in groups
    ]


def _counted(group: Group, reads: Sequence[Read], there: set[str], *, single: bool) -> Group:
    def is_gone(read: Read) -> bool:
        return read.run not in there and read.training not in there

    def row_of(read: Read) -> tuple[str, bytes]:
        return read.training if single else read.config, _way(read)

    configurations, models = {read.config for read in reads}, {read.training for read in reads}
    left = {read.config for read in reads if not is_gone(read)}
    gone = {read.training for read in reads if is_gone(read)}
    clean = [read for read in reads if read.kind != "contaminated"]
    ways = {row_of(read) for read in clean}
    removed = Counter(way for way, _ in {((read.config, _way(read)), read.training) for read in clean if is_gone(read)})
    of_models = {(read.training, read.evaluation): (read.config, _way(read)) for read in clean}
    trainings = group.members["training_id"].tolist()
    lost = []
    for place, tests in zip(group.places, group.tests, strict=True):
        keys = zip(trainings[place], (evaluation for _, evaluation in tests), strict=True)
        way = next((of_models[key] for key in keys if key in of_models), None)
        lost.append(0 if single or way is None else removed[way])
    counted = ReadCounts(
        reads=len(reads),
        found=sum(read.found for read in reads),
        configurations=len(configurations),
        removed=len(configurations - left),
        models=len(models),
        removed_models=len(gone),
        kinds=dict(sorted(Counter(read.kind for read in reads).items())),
        family=max(len(ways), len(group.rows)),
        gone=len(ways - {row_of(read) for read in clean if not is_gone(read)}),
    )
    return replace(group, reads=counted, rows=group.rows.assign(removed=lost))


def _way(read: Read) -> bytes:
    """How a model was tested; whether it had seen the samples is no way of testing."""
    return canonical_json({key: value for key, value in read.options.items() if key != "seen"})
