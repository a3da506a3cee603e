"""Which runs continue which: what a run says of its parents, and the family that follows from all runs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.records.lineage import Parent
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.index import summaries
from ferbench.tables.values import text


def parent_line(parent: Parent) -> str:
    """A run's parent in words: a member of an ensemble, or a run, the point, and what changed since."""
    name = f"{parent.name} ({parent.run})" if parent.name else parent.run
    if parent.weight is not None:
        return f"{name} × {parent.weight:.3g}"
    return f"{name} {since_words(parent)}"


def since_words(parent: Parent) -> str:
    """``from epoch 12: training.epochs 10 → 5``; in place of the epoch ``its best weights (epoch 12)``, or ``step 3400
    (in epoch 12)``."""
    return f"from {_point_words(parent)}: {changed_words(parent.changed) or 'nothing changed'}"


def teacher_line(teacher: Parent) -> str:
    """A run's teacher in words: the run, and the point."""
    name = f"{teacher.name} ({teacher.run})" if teacher.name else teacher.run
    return f"{name}, {_point_words(teacher)}"


def taught_words(teacher: Parent) -> str:
    """``taught by its best weights (epoch 12)``."""
    return f"taught by {_point_words(teacher)}"


def _point_words(parent: Parent) -> str:
    at = parent.at or "best"
    if at == "best":
        return f"its best weights (epoch {parent.epoch})"
    if at.startswith("step"):
        return f"step {at.removeprefix('step')} (in epoch {parent.epoch})"
    return f"epoch {at}"


def changed_words(changed: Mapping[str, list[Any]]) -> str:
    """``sampler shuffled → weighted, training.epochs 10 → 5``; without what is no setting on either side."""
    words = {key: [_word(old), _word(new)] for key, (old, new) in changed.items()}
    return ", ".join(f"{key} {old} → {new}" for key, (old, new) in words.items() if old != new)


def _word(value: Any) -> str:
    return "—" if value is None or value == {} else text(value)


@dataclass
class Relative:
    """A run and its place in a family.

    Attributes:
        run: name of its directory.
        relation: to the run that was asked about: ``ancestor``, ``self`` or ``descendant``.
        record: its ``run.json``; None when it is gone or cannot be read.
        children: runs of the family that continue it, are taught by it or are made of it, by name.
        name: as ``--name`` gave it, or its children tell of it.
        is_there: it has a record, whether that can be read or not.
    """

    run: str
    relation: str
    record: Run | None = None
    children: list[str] = field(default_factory=list)
    name: str | None = None
    is_there: bool = True

    @property
    def parents(self) -> list[Parent]:
        """As in its record; none without one."""
        return [] if self.record is None else self.record.lineage.parents

    @property
    def teacher(self) -> Parent | None:
        """As in its record."""
        return None if self.record is None else self.record.lineage.teacher

    @property
    def sources(self) -> list[Parent]:
        """Its parents and its teacher."""
        return [*self.parents, *([] if self.teacher is None else [self.teacher])]

    @property
    def status(self) -> str:
        """As in its record; ``damaged`` where that cannot be read, ``gone`` without one."""
        return ("damaged" if self.is_there else "gone") if self.record is None else self.record.status

    def scores(self, *metrics: str) -> dict[str, dict[str, float | None]]:
        """Some metrics of its own validation and test, by split, and ``contaminated`` where that is known to matter."""
        by_split: dict[str, dict[str, float | None]] = {}
        for split in ("validation", "test"):
            for entry in () if self.record is None else list(self.record.own_evaluations(split).values())[:1]:
                seen = {} if entry.seen is None else {"contaminated": entry.seen.contaminated}
                by_split[split] = {**{key: entry.metrics.get(key) for key in metrics}, **seen}
        return by_split


def family(results: Path, directory: RunDirectory) -> dict[str, Relative]:
    """A run, all that it comes from and all that comes from it, by name of the directory, ancestors first.

    Ancestors that are gone are in it as far as their children tell of them.

    Args:
        results: where the runs are.
        directory: of the run.

    Raises:
        UserError: the run's own record cannot be read.
    """
    run = directory.path.name
    own = Relative(run, "self", directory.load())
    assert own.record is not None
    parents = {summary.run: summary.parents for summary in summaries(results)}
    parents[run] = [parent.run for parent in own.sources]
    children: dict[str, list[str]] = {}
    for child, theirs in parents.items():
        for name in theirs:
            children.setdefault(name, []).append(child)
    relatives = {run: own}
    for name in reversed(list(_reached(run, parents))):
        relatives = {name: _relative(results, name, "ancestor"), **relatives}
    for name in _reached(run, children):
        if name not in relatives:
            relatives[name] = _relative(results, name, "descendant")
    for name, relative in relatives.items():
        if relative.record is not None:
            relative.name = relative.record.name
        relative.children = [child for child in children.get(name, []) if child in relatives]
        for parent in relative.sources:
            gone = relatives.get(parent.run)
            if gone is not None and gone.record is None:
                gone.name = gone.name or parent.name
    return relatives


def _reached(run: str, edges: Mapping[str, list[str]]) -> Iterator[str]:
    """All that can be reached from a run, nearest first; records that lead in a circle are somebody's forgery."""
    seen, layer = {run}, [run]
    while layer:
        following = dict.fromkeys(reached for name in layer for reached in edges.get(name, []))
        layer = [name for name in following if name not in seen]
        seen.update(layer)
        yield from layer


def _relative(results: Path, name: str, relation: str) -> Relative:
    directory = RunDirectory(run_path(results, name))
    try:
        return Relative(name, relation, directory.load())
    except UserError:
        return Relative(name, relation, is_there=directory.exists())
