"""From raw settings to plans: the one way that runs, searches, ranks, dry runs and Python take.

In this order, so that what costs little is refused first: the recipe is validated, its components are found and their
options checked, what it starts from is looked up, its dataset is packed, the split is cut, and the ids are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from ferbench.data.pack import Pack
from ferbench.data.splits import people
from ferbench.errors import UserError
from ferbench.experiment.dataset_pack import dataset_pack, places
from ferbench.experiment.differences import Settings, named_settings, telling, titles
from ferbench.experiment.estimators import defaults_for
from ferbench.experiment.plan import Plan, check_metric, dataset_key, plan
from ferbench.experiment.recorded import remember_said
from ferbench.experiment.resolve import ResolvedRecipe, resolve
from ferbench.experiment.run_names import number_taken
from ferbench.experiment.settings import Tables
from ferbench.experiment.start import Start
from ferbench.experiment.teacher import find_teacher, names_run, taught, teacher_of
from ferbench.kinds import DEFAULTS, NONE
from ferbench.plugin.discovery import Registry, warn_on_stderr
from ferbench.plugin.specs import DatasetSpec
from ferbench.storage import refuse_unwritable

_Value = TypeVar("_Value")


@dataclass
class Preparer:
    """Prepares recipes one after the other: what they share is packed and looked up once.

    Attributes:
        registry: the plugins.
        pack: gives the pack of a recipe's dataset, see `pack_in`.
        find_start: gives the weights that a recipe's ``from``, or its ``training.teacher``, names; None: those that
            name a run are refused, unless the weights are given.
        warn: is given one line for what a user should know.
    """

    registry: Registry
    pack: Callable[[ResolvedRecipe], Pack]
    find_start: Callable[[str], Start] | None = None
    warn: Callable[[str], None] = warn_on_stderr
    _packs: dict[str, Pack | UserError] = field(default_factory=dict, repr=False)
    _starts: dict[str, Start | UserError] = field(default_factory=dict, repr=False)

    def prepare(
        self, settings: Tables, start: Start | None = None, teacher: Start | None = None, *, reads_test: bool = True
    ) -> Plan:
        """A run of raw settings, ready to start.

        Args:
            settings: tables of a recipe, as `ferbench.experiment.settings.grid` gives them.
            start: the weights that it starts from, where they are known; else its ``from`` is looked up.
            teacher: the weights that teach it, likewise of its ``training.teacher``.
            reads_test: whether it is tested at the end.

        Raises:
            UserError: something of it is wrong; what went wrong before is tried again.
        """
        for known in (self._packs, self._starts):
            for key in [key for key, value in known.items() if isinstance(value, UserError)]:
                del known[key]
        return self.plan(self.resolve(settings), start, teacher, reads_test=reads_test)

    def resolve(self, settings: Tables) -> ResolvedRecipe:
        """All that can be checked without data: see `prepare`."""
        resolved = resolve(settings, self.registry)
        remember_said(settings, self.registry)
        check_metric(resolved.recipe.training.select)
        places(resolved.components["dataset"], resolved.recipe.data)
        return resolved

    def people(self, settings: Tables) -> int:
        """How many people a recipe's dataset shows, each of whom is to be a fold.

        Raises:
            UserError: as `prepare`; or who is shown is not known, or there are fewer than two of them.
        """
        from ferbench.experiment.plan import split_request

        resolved = self.resolve(settings)
        spec = resolved.components["dataset"].component.spec
        assert isinstance(spec, DatasetSpec)
        pack = _once(self._packs, dataset_key(resolved), lambda: self.pack(resolved))
        return people(pack, spec.protocols, split_request(resolved.recipe.data))

    def plan(
        self,
        resolved: ResolvedRecipe,
        start: Start | None = None,
        teacher: Start | None = None,
        *,
        reads_test: bool = True,
    ) -> Plan:
        """The rest: see `prepare`."""
        given, find = resolved.recipe.start, self.find_start
        if start is None and given is not None and find is not None:
            start = _once(self._starts, given, lambda: find(given))
        who = resolved.recipe.training.teacher
        if teacher is None and who is not None and names_run(who) and find is not None:
            teacher = _once(self._starts, f"teacher {who}", lambda: find_teacher(who, find))
            remember_said({"training": {"teacher": teacher.given}}, self.registry)
        if teacher is not None:
            resolved = taught(resolved, teacher)
        pack = _once(self._packs, dataset_key(resolved), lambda: self.pack(resolved))
        made = plan(resolved, pack, start, None if teacher is None else teacher_of(teacher, self.registry))
        return replace(made, reads_test=reads_test)


def _once(known: dict[str, _Value | UserError], key: str, make: Callable[[], _Value]) -> _Value:
    """The value of a key, made when it is first asked for; what could not be made is refused again."""
    if key not in known:
        try:
            known[key] = make()
        except UserError as error:
            known[key] = error
    value = known[key]
    if isinstance(value, UserError):
        raise value
    return value


def pack_in(cache: Path, *, checked: bool = False) -> Callable[[ResolvedRecipe], Pack]:
    """Packs datasets in a cache, without showing anything.

    Args:
        cache: directory that packs are kept in.
        checked: another process of this run has just compared every image with its hash.
    """
    return lambda resolved: dataset_pack(
        resolved.components["dataset"],
        resolved.recipe.data,
        cache,
        checked=checked,
        preprocessing=resolved.components.get("preprocessing"),
    )


@dataclass
class Combination:
    """One cell of a grid on its way to a run.

    Attributes:
        settings: raw settings.
        label: what it is called beside the others of its grid.
        varied: the settings in which the combinations of the grid differ, by dotted key, as it has them.
        resolved: None when the combination makes no sense.
        plan: known once the data is packed.
        skip: why it is not run, else None.
        error: the full error behind ``skip``.
        start: the weights that it starts from, where they are known; else planning looks what the settings name.
        teacher: likewise the weights that teach it.
        done: the run is there already.
        asked_name: what the run, or its grid, was to be called; empty: nothing.
    """

    settings: Tables
    label: str = ""
    varied: Settings = field(default_factory=dict)
    resolved: ResolvedRecipe | None = None
    plan: Plan | None = None
    skip: str | None = None
    error: UserError | None = None
    done: bool = False
    asked_name: str = ""
    start: Start | None = None
    teacher: Start | None = None

    def refuse(self, error: UserError) -> None:
        """Skip it for an error."""
        self.skip, self.error = error.message, error

    @property
    def defaults(self) -> dict[str, str]:
        """The components of sections that name none."""
        there = None if self.resolved is None else self.resolved.components
        return {key: name for key, name in DEFAULTS.items() if there is None or key in there or name == NONE}

    @property
    def action(self) -> str:
        """``run``, ``reuse`` or ``skip``."""
        return "skip" if self.skip else "reuse" if self.done else "run"


def resolve_all(settings: Sequence[Tables], preparer: Preparer) -> list[Combination]:
    """Check every combination without data. One that makes no sense is skipped.

    Raises:
        UserError: none makes sense.
    """
    several = named_settings(settings, [defaults_for(tables, preparer.registry) for tables in settings])
    varied = telling(several, ignored=())
    combinations = [
        Combination(tables, label, {key: named.get(key) for key in varied})
        for tables, named, label in zip(settings, several, titles(several, varied), strict=True)
    ]
    for combination in combinations:
        try:
            combination.resolved = preparer.resolve(combination.settings)
        except UserError as error:
            combination.refuse(error)
    refuse_if_all_skipped(combinations)
    return combinations


def plan_all(combinations: Sequence[Combination], preparer: Preparer, results: Path) -> None:
    """Pack each dataset once, then cut splits, compute ids, look for finished runs, and number names that are taken.

    Raises:
        UserError: none can be run, or nothing can be written where they would be.
    """
    if not results.exists():
        refuse_unwritable(results)
    seen: set[tuple[str, ...]] = set()
    for combination in combinations:
        if combination.resolved is None:
            continue
        try:
            made = preparer.plan(combination.resolved, combination.start, combination.teacher)
        except UserError as error:
            combination.refuse(error)
            continue
        combination.plan, combination.start = made, made.start
        # Other ways of testing ask for the same weights, which are trained once and tested in each way.
        asked = (made.training_id, *(made.evaluation_id(role) for role in made.evaluation_rows()))
        if asked in seen:
            combination.skip = "the same run as one above"
            continue
        seen.add(asked)
        combination.done = made.is_complete(results)
    refuse_if_all_skipped(combinations)
    number_taken(combinations, preparer, results)
    if any(combination.action == "run" for combination in combinations):
        refuse_unwritable(results / "runs")


def refuse_if_all_skipped(combinations: Sequence[Combination]) -> None:
    """Raise the first error where no combination is left.

    Raises:
        UserError: that error.
    """
    if all(combination.skip for combination in combinations):
        error = combinations[0].error
        assert error is not None
        raise error
