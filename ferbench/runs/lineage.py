"""Which runs continue which: what a run says of its parents, and the family that follows from all runs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.index import summaries
from ferbench.runs.summary import parents_of
from ferbench.tables.values import text


def parent_line(parent: Mapping[str, Any]) -> str:
    """One of ``lineage.parents`` in words: a member of an ensemble, or a run, the point, and what changed since."""
    name = f"{parent['name']} ({parent['run']})" if parent.get("name") else str(parent["run"])
    if "weight" in parent:
        return f"{name} × {parent['weight']:.3g}"
    return f"{name} from {point_words(parent)}: {changed_words(parent['changed']) or 'nothing changed'}"


def point_words(parent: Mapping[str, Any]) -> str:
    """``epoch 12``, ``its best weights (epoch 12)``, or ``step 3400 (in epoch 12)``."""
    at, epoch = str(parent["at"]), parent["epoch"]
    if at == "best":
        return f"its best weights (epoch {epoch})"
    return f"step {at.removeprefix('step')} (in epoch {epoch})" if at.startswith("step") else f"epoch {at}"


def changed_words(changed: Mapping[str, Any]) -> str:
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
        parents: its ``lineage.parents``.
        children: runs of the family that continue it or are made of it, by name.
        name: as ``--name`` gave it, or its children tell of it.
    """

    run: str
    relation: str
    record: Mapping[str, Any] | None = None
    parents: list[Mapping[str, Any]] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    name: str | None = None

    @property
    def status(self) -> str:
        """As in its record; ``gone`` without one."""
        return "gone" if self.record is None else str(self.record["status"])

    def scores(self, *metrics: str) -> dict[str, dict[str, float | None]]:
        """Some metrics of its own validation and test, by split, and ``contaminated`` where that is known to matter."""
        found: dict[str, dict[str, Any]] = {}
        for entry in (self.record or {}).get("evaluations", {}).values():
            plain = (entry.get("options") or {}).get("tta", "none") == "none"
            if "data" in entry or (entry["split"] in found and not plain):
                continue
            values = {key: entry["metrics"].get(key) for key in metrics}
            seen = {"contaminated": entry["seen"]["contaminated"]} if "seen" in entry else {}
            found[entry["split"]] = {**values, **seen}
        return {split: found[split] for split in ("validation", "test") if split in found}


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
    own = Relative(run, "self", directory.read())
    parents = {one.run: one.parents for one in summaries(results)}
    parents[run] = parents_of(own.record or {})
    children: dict[str, list[str]] = {}
    for child, theirs in parents.items():
        for parent in theirs:
            children.setdefault(parent, []).append(child)
    found = {run: own}
    for name in reversed(list(_reached(run, parents))):
        found = {name: Relative(name, "ancestor", _read(results, name)), **found}
    for name in _reached(run, children):
        found.setdefault(name, Relative(name, "descendant", _read(results, name)))
    for name, one in found.items():
        one.parents = list((one.record or {}).get("lineage", {}).get("parents", []))
        one.children = [child for child in children.get(name, []) if child in found]
        one.name = one.name if one.record is None else one.record.get("name")
        for entry in one.parents:
            told = found.get(entry["run"])
            if told is not None and told.record is None:
                told.name = told.name or entry.get("name")
    return found


def _reached(run: str, edges: Mapping[str, list[str]]) -> Iterator[str]:
    """All that can be reached from a run, nearest first; records that lead in a circle are somebody's forgery."""
    seen, layer = {run}, [run]
    while layer:
        following = dict.fromkeys(one for name in layer for one in edges.get(name, []))
        layer = [one for one in following if one not in seen]
        seen.update(layer)
        yield from layer


def _read(results: Path, name: str) -> Mapping[str, Any] | None:
    try:
        return RunDirectory(run_path(results, name)).read()
    except UserError:
        return None
