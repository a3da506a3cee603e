"""A study: what is searched, from which recipe, towards what; its name is the fingerprint of these.

results/studies/<fingerprint, 12 digits>/
    study.json      what the fingerprint covers, and how to read the rest
    study.db        the trials, unless another storage was named
    outcome.json    the best trials and their runs over the seeds
    best.toml       the best recipe
    report.html     what came of it
    worker-0.log    what a worker's libraries printed
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.fingerprint import fields_with_role
from ferbench.experiment.plan import Plan
from ferbench.experiment.recipe import Role
from ferbench.ids import digest, short
from ferbench.locks import Held, holder_of, holding
from ferbench.records.study import Outcome, Study, read_or_none, read_study
from ferbench.runs import names
from ferbench.storage import replace_json
from ferbench.tuning.algorithms import Strategy, choose_pruner
from ferbench.tuning.objectives import Objective
from ferbench.tuning.space import Space


@dataclass(frozen=True)
class StudyDirectory:
    """Where a study lies.

    Attributes:
        path: ``results/studies/<id>``.
    """

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def record_path(self) -> Path:
        return self.path / "study.json"

    @property
    def database(self) -> Path:
        return self.path / "study.db"

    @property
    def best(self) -> Path:
        return self.path / "best.toml"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def load(self) -> Study:
        """``study.json``.

        Raises:
            UserError: it is missing, damaged, or written by a newer ferbench.
        """
        return read_study(self.record_path)

    def load_or_none(self) -> Study | None:
        """``study.json``; None where there is none that can be read."""
        try:
            return self.load()
        except UserError:
            return None

    def save(self, study: Study) -> None:
        replace_json(self.record_path, study.plain())

    def outcome(self) -> Outcome | None:
        """``outcome.json``; None while the best trials have not been repeated, and where it is damaged."""
        return read_or_none(Outcome, self.path / "outcome.json")

    def save_outcome(self, outcome: Outcome) -> None:
        replace_json(self.path / "outcome.json", outcome.plain())

    @contextlib.contextmanager
    def only_writer(self) -> Iterator[None]:
        """Keep other processes off the study's own database.

        Raises:
            TakenOver: another process has taken it over while this one was stopped.
            UserError: another process conducts the study.
        """
        try:
            with holding(self._lock, f"study {self.id}", guarded=self.path):
                yield
        except Held as held:
            raise UserError(
                f"another process conducts study {self.id}: {held.holder}",
                "let it use more workers (--workers N), or share the study through a database (--storage)",
            ) from None

    def is_conducted(self) -> bool:
        """Whether a process conducts the study in its own database."""
        return holder_of(self._lock) is not None

    @property
    def _lock(self) -> Path:
        return self.path / ".lock"


def covers(space: Space, objectives: Sequence[Objective], base: Plan, by: Strategy) -> dict[str, Any]:
    """Everything that makes a study the one it is, as plain values.

    Args:
        space: what is searched.
        objectives: what is made better.
        base: the recipe's own plan.
        by: what chooses and ends trials; what nobody chose is not covered.
    """
    usual = asdict(Strategy(pruner=choose_pruner("auto", objectives)))
    metrics = {
        metric.component.name: metric.identify()
        for metric in base.resolved.metrics
        if metric.component.name in {objective.name for objective in objectives}
    }
    unusual = {key: value for key, value in asdict(by).items() if value != usual[key]}
    return {
        "space": {
            dimension["key"]: {k: v for k, v in dimension.items() if k != "key"} for dimension in space.describe()
        },
        "objectives": [objective.name for objective in objectives],
        "base": base.identity,
        "evaluation": fields_with_role(base.resolved.recipe.evaluation, Role.EVALUATION),
        **({"metrics": metrics} if metrics else {}),
        **({"search": unusual} if unusual else {}),
    }


def place_of(
    results: Path, covered: Mapping[str, Any], by: Strategy, objectives: Sequence[Objective]
) -> StudyDirectory:
    """Where the study lies whose fingerprint covers this; an older one of the same algorithm and pruner goes on.

    Fingerprints once left out what chooses the trials, so that an older study may lie where another one belongs.

    Raises:
        UserError: it does, and another algorithm or pruner made its trials.
    """
    place = _at(results, covered)
    older = _at(results, {key: value for key, value in covered.items() if key != "search"})
    known = older.load_or_none()
    if known is None:  # there is none, or its record is written anew
        return place
    was = Strategy(known.algorithm, choose_pruner(known.pruner, objectives), known.seed or 0)  # type: ignore[arg-type]
    if was == by:
        return older
    if older == place:
        raise UserError(
            f"study {place.id} ('{known.label}') was made with --algorithm {was.algorithm} --pruner "
            f"{was.pruner} by an older ferbench, whose studies did not keep algorithms apart",
            "go on with these, or give another results directory for a study of its own (--results)",
        )
    return place


def _at(results: Path, covered: Mapping[str, Any]) -> StudyDirectory:
    return StudyDirectory(results / "studies" / short(digest({"kind": "study", **covered})))


def all_studies(results: Path) -> Iterator[StudyDirectory]:
    """Every study of a results directory, by id."""
    for path in sorted((results / "studies").glob("[!.]*/study.json")):
        yield StudyDirectory(path.parent)


def find_study(results: Path, name: str) -> StudyDirectory:
    """The study that a user means by a path, its name, its id or a unique prefix of it.

    Raises:
        UserError: no study or several answer to ``name``.
    """
    here = StudyDirectory(Path(name).resolve()) if name and os.path.lexists(Path(name) / "study.json") else None
    if here is not None and (Path(name).name != name or name == os.pardir):  # no bare word
        return here
    studies = {place.id: place for place in all_studies(results)}
    digits = names.digits_of(name)
    if len(digits) == names.WHOLE and digits in studies:
        return studies[digits]
    meant = names.meant(name, {key: _label(place) for key, place in studies.items()})
    places = [studies[key] for key in meant.all]
    if here is not None and all(place.path.resolve() != here.path for place in places):
        places.append(here)
    if len(places) == 1:
        return places[0]
    if places:
        raise names.several(name, meant, [in_words(place) for place in places], "study", "studies")
    shown = [in_words(place) for place in list(studies.values())[:8]]
    more = f"; and {len(studies) - len(shown)} more" if len(studies) > len(shown) else ""
    there = f"studies: {'; '.join(shown)}{more}" if studies else "there is none yet"
    raise UserError(f"there is no study '{name}' in {results}", f"{there}; name the results directory with --results")


def earlier(results: Path, label: str, place: StudyDirectory) -> StudyDirectory | None:
    """The latest other study of a recipe of that name."""
    others = [other for other in all_studies(results) if other.id != place.id and _label(other) == label]
    return max(others, key=lambda other: other.record_path.stat().st_mtime, default=None)


def in_words(place: StudyDirectory) -> str:
    """A study by id, name, dataset, what is made better, algorithm and date."""
    study = place.load_or_none()
    if study is None:
        return f"{place.id} (damaged: no readable study.json)"
    about = [f"{' and '.join(study.objectives)} on {study.dataset}", f"by {study.algorithm}"]
    return names.words(place.id, study.label, [*about, names.minute(study.created)])


def _label(place: StudyDirectory) -> str | None:
    study = place.load_or_none()
    return None if study is None else study.label
