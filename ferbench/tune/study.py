"""A study: what is searched, from which recipe, towards what; its name is the fingerprint of these.

results/studies/<fingerprint, 12 digits>/
    study.json      what the fingerprint covers, and how to read the rest
    study.db        the trials, unless another storage was named
    spool/          results that the storage does not have yet
    outcome.json    the best trials and their runs over the seeds
    best.toml       the best recipe
    report.html     what came of it
    worker-0.log    what a worker's libraries printed
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from ferbench.errors import UserError
from ferbench.experiment.fingerprint import fields_with_role
from ferbench.experiment.plan import Plan
from ferbench.experiment.recipe import Role
from ferbench.ids import digest, short
from ferbench.runs import names
from ferbench.storage import is_file, replace_json, writing
from ferbench.tune.algorithms import choose_pruner
from ferbench.tune.objectives import Objective
from ferbench.tune.space import Space

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StudyPlace:
    """Where a study lies.

    Attributes:
        path: ``results/studies/<id>``.
    """

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def database(self) -> Path:
        return self.path / "study.db"

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    @property
    def best(self) -> Path:
        return self.path / "best.toml"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def read(self) -> dict[str, Any]:
        """``study.json``.

        Raises:
            UserError: it is missing, damaged, or written by a newer ferbench.
        """
        path = self.path / "study.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: {error}", "run 'ferbench tune' again to write it anew") from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA_VERSION:
            raise UserError(f"{path} was not written by this ferbench", "use the release that wrote it")
        return content

    def write(self, content: Mapping[str, Any]) -> None:
        replace_json(self.path / "study.json", {"schema": SCHEMA_VERSION, **content})

    def outcome(self) -> dict[str, Any] | None:
        """``outcome.json``; None while the best trials have not been repeated."""
        try:
            return json.loads((self.path / "outcome.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write_outcome(self, content: Mapping[str, Any]) -> None:
        replace_json(self.path / "outcome.json", dict(content))

    @contextlib.contextmanager
    def only_writer(self) -> Iterator[None]:
        """Keep other processes off the study's own database.

        Raises:
            UserError: another process conducts the study.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / ".lock", timeout=0)
            try:
                lock.acquire()
            except filelock.Timeout as error:
                raise UserError(
                    f"another process conducts study {self.id}",
                    "let it use more workers (--workers N), or share the study through a database (--storage)",
                ) from error
        try:
            yield
        finally:
            lock.release()

    def is_conducted(self) -> bool:
        """Whether a process on this host conducts the study in its own database."""
        if not (self.path / ".lock").exists():
            return False
        lock = filelock.FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except (filelock.Timeout, OSError):
            return True
        lock.release()
        return False


#: What searches where nobody says otherwise, and is therefore not in a study's fingerprint.
_DEFAULT = {"algorithm": "tpe", "seed": 0}


def covers(space: Space, objectives: Sequence[Objective], base: Plan, by: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that makes a study the one it is, as plain values.

    Args:
        space: what is searched.
        objectives: what is made better.
        base: the recipe's own plan.
        by: what chooses and ends trials (`ferbench.tune.algorithms.searched_by`).
    """
    default = {**_DEFAULT, "pruner": choose_pruner("auto", objectives)}
    unlike = {key: value for key, value in by.items() if value != default[key]}
    return {
        "space": {one["key"]: {k: v for k, v in one.items() if k != "key"} for one in space.describe()},
        "objectives": [objective.name for objective in objectives],
        "base": base.identity,
        "evaluation": fields_with_role(base.resolved.recipe.evaluation, Role.EVALUATION),
        **({"search": unlike} if unlike else {}),
    }


def place_of(
    results: Path, covered: Mapping[str, Any], by: Mapping[str, Any], objectives: Sequence[Objective]
) -> StudyPlace:
    """Where the study lies whose fingerprint covers this; an older one of the same algorithm and pruner goes on.

    Fingerprints once left out what chooses the trials, so that an older study may lie where another one belongs.

    Raises:
        UserError: it does, and another algorithm or pruner made its trials.
    """
    place = _at(results, covered)
    older = _at(results, {key: value for key, value in covered.items() if key != "search"})
    try:
        said = older.read()
        was = {"algorithm": said["algorithm"], "pruner": said["pruner"], "seed": said.get("seed", 0)}
        was["pruner"] = choose_pruner(was["pruner"], objectives)
    except (UserError, KeyError):  # there is none, or what it says is written anew
        return place
    if was == by:
        return older
    if older == place:
        raise UserError(
            f"study {place.id} ('{said.get('label')}') was made with --algorithm {was['algorithm']} --pruner "
            f"{was['pruner']} by an older ferbench, whose studies did not keep algorithms apart",
            "go on with these, or give another results directory for a study of its own (--results)",
        )
    return place


def _at(results: Path, covered: Mapping[str, Any]) -> StudyPlace:
    return StudyPlace(results / "studies" / short(digest({"kind": "study", **covered})))


def all_studies(results: Path) -> Iterator[StudyPlace]:
    """Every study of a results directory, by id."""
    try:
        with os.scandir(results / "studies") as entries:
            found = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return
    for name in found:
        place = StudyPlace(results / "studies" / name)
        if (place.path / "study.json").is_file():
            yield place


def find_study(results: Path, name: str) -> StudyPlace:
    """The study that a user means by a path, its name, its id or a unique prefix of it.

    Raises:
        UserError: no study or several answer to ``name``.
    """
    here = StudyPlace(Path(name).resolve()) if name and is_file(Path(name) / "study.json") else None
    if here is not None and (Path(name).name != name or name == os.pardir):  # no bare word
        return here
    studies = {one.id: one for one in all_studies(results)}
    digits = names.digits_of(name)
    if len(digits) == names.WHOLE and digits in studies:
        return studies[digits]
    meant = names.meant(name, {one: _label(place) for one, place in studies.items()})
    found = [studies[one] for one in meant.all]
    if here is not None and all(one.path.resolve() != here.path for one in found):
        found.append(here)
    if len(found) == 1:
        return found[0]
    if found:
        raise names.several(name, meant, [in_words(one) for one in found], "study", "studies")
    shown = [in_words(one) for one in list(studies.values())[:8]]
    more = f"; and {len(studies) - len(shown)} more" if len(studies) > len(shown) else ""
    there = f"studies: {'; '.join(shown)}{more}" if studies else "there is none yet"
    raise UserError(f"there is no study '{name}' in {results}", f"{there}; name the results directory with --results")


def earlier(results: Path, label: str, place: StudyPlace) -> StudyPlace | None:
    """The latest other study of a recipe of that name."""
    others = [one for one in all_studies(results) if one.id != place.id and _label(one) == label]
    return max(others, key=lambda one: (one.path / "study.json").stat().st_mtime, default=None)


def differences(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """The keys in which what two studies cover differs, dotted."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from differences(before.get(key), after.get(key), f"{place}.{key}" if place else str(key))
    elif before != after and json.dumps(before, default=list) != json.dumps(after, default=list):
        yield place


def in_words(place: StudyPlace) -> str:
    """A study by id, name, dataset, what is made better, algorithm and date."""
    try:
        said = place.read()
    except UserError:
        return f"{place.id} (no readable study.json)"
    goals = " and ".join(map(str, said.get("objectives") or []))
    about = [goals + (f" on {said['dataset']}" if said.get("dataset") else "")]
    about += [f"by {said['algorithm']}" if said.get("algorithm") else "", names.minute(said.get("created"))]
    return names.words(place.id, said.get("label"), about)


def _label(place: StudyPlace) -> str | None:
    try:
        return place.read().get("label")
    except UserError:
        return None
