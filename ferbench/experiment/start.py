"""Where a run starts that does not begin from scratch: the weights that an earlier run had at some point."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.known import is_known
from ferbench.experiment.recorded import Reaching, taken
from ferbench.experiment.settings import Tables
from ferbench.kinds import DEFAULTS
from ferbench.plugin.discovery import Registry
from ferbench.records.lineage import Parent
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.find import find_run

_POINT = re.compile(r"best|last|(?:epoch)?\d{1,9}|step\d{1,12}")


@dataclass(frozen=True)
class Start:
    """The weights of a run, its parent, at one of its checkpoints.

    Attributes:
        directory: of the parent; need not be there any more when its child goes on.
        given: names the checkpoint for good, as a recipe has it: ``RUN@12``, with an id and no word that may come to
            mean another checkpoint, such as ``last``.
        name: of the parent.
        training_id: of the parent.
        config_id: of the parent.
        at: the point: ``best``, ``12`` (the end of epoch 12) or ``step3400`` (after so many updates).
        epoch: whose weights they are; of a point within an epoch, that epoch.
        sha256: of the weights, as a file of safetensors.
        class_names: that the parent knows, in the order of its outputs.
    """

    directory: RunDirectory
    given: str
    name: str | None
    training_id: str
    config_id: str
    at: str
    epoch: int
    sha256: str
    class_names: tuple[str, ...]

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.directory.path.name}@{self.at}"

    def identity(self) -> dict[str, str]:
        """What the child's training id covers: which weights, not whose."""
        return {"weights": f"sha256:{self.sha256}"}

    def configuration(self) -> dict[str, str]:
        """What the child's configuration id covers instead: seeds of one configuration, each continued at the same
        point, are seeds of one configuration again."""
        return {"config": self.config_id, "at": self.at}

    def as_parent(self) -> Parent:
        """The entry in the child's ``lineage.parents``."""
        return Parent(
            run=self.directory.path.name,
            name=self.name,
            training_id=self.training_id,
            config_id=self.config_id,
            at=self.at,
            epoch=self.epoch,
            weights_sha256=self.sha256,
        )


def recorded_start(results: Path, record: Run) -> Start | None:
    """The start of a run by its own record, whether its parent is still there or not; None: it began from scratch.

    Raises:
        UserError: the record does not say all of it.
    """
    given = record.recipe.start
    if given is None:
        return None
    parents = record.lineage.parents
    return said_start(results, given, parents[0] if len(parents) == 1 else None, tuple(record.data.class_names))


def said_start(results: Path, given: str, parent: Parent | None, class_names: tuple[str, ...]) -> Start:
    """The weights that a record names, whether the run that they are of is still there or not.

    Args:
        results: where it is looked for.
        given: as the recipe has it.
        parent: what the record's lineage says of it.
        class_names: that it knows.

    Raises:
        UserError: the record does not say all of it.
    """
    match parent:
        case Parent(
            name=name,
            training_id=str(training_id),
            config_id=str(config_id),
            at=str(at),
            epoch=int(epoch),
            weights_sha256=str(sha256),
        ):
            pass
        case _:
            raise UserError(
                f"the record of a run from '{given}' does not say whose weights these are",
                "start a new run with 'ferbench run'",
            )
    name_or_path = split_point(given)[0]
    try:
        if Path(name_or_path).name != name_or_path and not is_known(*said_of(RunDirectory(Path(name_or_path)))):
            raise UserError(f"the place {name_or_path} stands in a record alone", "look among the results")
        directory = find_run(results, name_or_path)
    except UserError:
        directory = RunDirectory(run_path(results, Path(parent.run).name))
    return Start(directory, given, name, training_id, config_id, at, epoch, sha256, class_names)


def said_of(directory: RunDirectory) -> tuple[str, str]:
    """What is remembered of a run that the user has named to start from: see `ferbench.experiment.known`."""
    return "from", str(directory.path.resolve())


def split_point(given: str, default: str = "last") -> tuple[str, str]:
    """``RUN@POINT`` as (run, point); without a point it is ``default``, and ``epoch12`` is ``12``.

    Raises:
        UserError: what stands behind the last ``@`` is no point.
    """
    run, sign, point = given.rpartition("@")
    if not sign or not run or "/" in point:  # the sign of a path
        return given, default
    if not _POINT.fullmatch(point):
        raise UserError(
            f"'{point}' in '{given}' is no point of a run",
            f"write {run}@best, {run}@last, {run}@12 (the end of epoch 12) or {run}@step3400",
        )
    digits = point.removeprefix("epoch").removeprefix("step")
    return run, point if not digits.isdecimal() else f"{'step' if point[0] == 's' else ''}{int(digits)}"


def continued(
    record: Run, changes: Mapping[str, Any], registry: Registry, told: Collection[str] = ()
) -> tuple[Tables, list[Reaching]]:
    """The settings of a child: those of its parent, with a recipe's laid over them; and what is left out of the
    parent's because a record does not decide it.

    What the parent was called, where it started from and which initial weights its model had stays behind. A section
    that names another component leaves the options of the parent's behind.

    Args:
        record: the parent's.
        changes: tables of a recipe (`ferbench.experiment.settings.read_recipe`), empty without one.
        registry: where the parent's components are looked up.
        told: keys and sections that the command says itself.
    """
    said = set(told)
    for key, value in changes.items():
        fields = dict(value) if isinstance(value, Mapping) else {}
        other = fields.get("name") not in (None, getattr(getattr(record.recipe, key, None), "name", None))
        said |= {key} if other or not fields else {f"{key}.{field}" for field in fields}
    settings, left = taken(record, registry, said)
    for key in ("name", "from"):
        settings.pop(key, None)
    weights = _initial_weights(settings["model"]["name"], registry)
    for option in weights:
        settings["model"].pop(option, None)
    left = [one for one in left if one.path not in {("model", option) for option in weights}]
    for key, value in changes.items():
        if not isinstance(value, Mapping) or key == "grid":
            settings[key] = copy.deepcopy(value)
            continue
        mine = settings.get(key, {})
        if key in DEFAULTS and value.get("name", mine["name"]) != mine.get("name", DEFAULTS[key]):
            mine = {}
        settings[key] = {**mine, **copy.deepcopy(dict(value))}
    return settings, left


def _initial_weights(model: str, registry: Registry) -> list[str]:
    """Options of a model that say where its weights come from, and need not, and permissions for these."""
    try:
        options = registry.find("model", model).options().fields
    except UserError:  # whoever wants this model will hear of it
        return []
    names = [option.name for option in options if option.initial_weights is not None and not option.required]
    return names + [option.name for option in options if option.permits in names]
