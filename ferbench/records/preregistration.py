"""What is to be compared, registered before the test set is read: a plan, a TOML file.

It names each run by its configuration, seed and test evaluation, the metric, and the test sets, and holds the digest of
all that it says; so a plan that was changed afterwards is noticed. Whoever changes the digest too is found by those who
have seen it before: it is printed, and belongs in a repository, a paper's supplement or a mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ferbench.bounded import Damaged, read_file
from ferbench.errors import UserError
from ferbench.ids import digest

#: In a results directory: the plan that its results are held against.
PLAN_FILE = "plan.toml"

_REMEDY = "give a plan as 'ferbench plan' writes it"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run whose test is planned.

    Attributes:
        label: what it is, for people.
        config: configuration id, which seeds share.
        seed: of training.
        evaluation: twelve digits of the evaluation id: of these weights, on this test set, tested in this way.
        test_set: digest of the test samples.
        dataset: their dataset.
        samples: how many.
    """

    label: str
    config: str
    seed: int
    evaluation: str
    test_set: str
    dataset: str
    samples: int


@dataclass(frozen=True)
class Preregistration:
    """A plan.

    Attributes:
        planned: when, in UTC, ISO 8601.
        metric: that configurations are compared by.
        runs: whose tests are planned.
        ledger: SHA-256 of the last line of the ledger of test reads then; empty where nothing had been read.
        read_before: how often others had read these test sets before.
        version: of ferbench.
        stated: the digest that the file holds; empty where it holds none.
        path: of the file; None before it is written.
    """

    planned: str
    metric: str
    runs: tuple[PlannedRun, ...]
    ledger: str = ""
    read_before: int = 0
    version: str = ""
    stated: str = ""
    path: Path | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """Of all that it says."""
        return digest(self._content())

    @property
    def changed(self) -> bool:
        """Whether it says something else than when it was registered."""
        return self.stated != self.digest

    @property
    def configurations(self) -> list[str]:
        """Ids, in the order of the plan."""
        return list(dict.fromkeys(run.config for run in self.runs))

    def _content(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("planned", "metric", "ledger", "read_before", "version")}
        return {**own, "runs": [asdict(run) for run in self.runs]}

    def plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**self._content(), "digest": self.digest, "changed": self.changed, "path": str(self.path)}

    def to_toml(self) -> str:
        """The file, with the digest of what it says."""
        import tomli_w

        content = self._content()
        runs = content.pop("runs")
        return tomli_w.dumps({**content, "digest": self.digest, "runs": runs})


def read_plan(path: Path) -> Preregistration:
    """A plan, whether it was changed or not.

    Raises:
        UserError: it cannot be read, or is none.
    """
    import tomllib

    try:
        content = tomllib.loads(read_file(path).decode())
        runs = tuple(_typed(PlannedRun, table) for table in _list(content.pop("runs", None)))
        stated = content.pop("digest", "")
        if not isinstance(stated, str):
            raise Damaged("'digest' is no text")
        return replace(_typed(Preregistration, {**content, "runs": runs}), stated=stated, path=path)
    except OSError as error:
        raise UserError(f"cannot read the plan {path}: {error.strerror}", _REMEDY) from error
    except ValueError as error:  # Damaged, TOML, and text that is no UTF-8
        raise UserError(f"{path} is no plan: {error}", _REMEDY) from error


def plan_of(results: Path, given: Path | None = None) -> Preregistration | None:
    """The plan that results are held against: the given one, else that of the results directory; None without one.

    Raises:
        UserError: there is none at the place that is given, or it is none.
    """
    if given is not None:
        return read_plan(given)
    path = results / PLAN_FILE
    return read_plan(path) if path.exists() else None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise Damaged("it has no [[runs]]")
    return value


_ACCEPTED: dict[str, type] = {"str": str, "int": int, "tuple[PlannedRun, ...]": tuple}


def _typed(kind: Any, table: Any) -> Any:
    """A dataclass from a table.

    Raises:
        Damaged: a field is missing, unknown or of another type.
    """
    if not isinstance(table, Mapping):
        raise Damaged("a run is no table")
    types = {of.name: str(of.type) for of in fields(kind) if of.name != "stated"}
    known = {name: _ACCEPTED[of] for name, of in types.items() if of in _ACCEPTED}
    for name, value in table.items():
        if name not in known:
            raise Damaged(f"'{name}' is no field of it")
        if not isinstance(value, known[name]) or isinstance(value, bool):
            raise Damaged(f"'{name}' is of another type")
    try:
        return kind(**table)
    except TypeError:
        raise Damaged("it lacks something") from None
