"""What the ranks of a run tell each other, and whoever has started them, as JSON."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError, is_out_of_memory, out_of_memory

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan
    from ferbench.training.torchrun import Place


class RankFailed(Exception):
    """A rank has failed: where and why, with its traceback as a note where there is one."""

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        if trace:
            self.add_note(trace.rstrip())


@dataclass(frozen=True)
class Setup:
    """What each rank needs to make the same plan.

    Attributes:
        settings: the recipe as plain values.
        start: the weights that the run starts from, as plain values; None: from scratch.
        reads_test: as `Plan` has it.
        training_id: that the plan must have again.
        results: the results directory.
        cache: where packs are.
        plugins: as ``--plugin`` names them.
    """

    settings: dict[str, Any]
    start: dict[str, Any] | None
    reads_test: bool
    training_id: str
    results: str
    cache: str
    plugins: list[str]

    @classmethod
    def of(cls, plan: Plan, results: Path, cache: Path, plugins: list[str]) -> Setup:
        """What makes this plan again."""
        settings = plan.resolved.recipe.model_dump(mode="json", by_alias=True)
        given = {key: value for key, value in settings.items() if value is not None}
        given["data"] = {key: value for key, value in given["data"].items() if value is not None}
        start = None
        if plan.start is not None:
            start = {**vars(plan.start), "directory": str(plan.start.directory.path)}
        return cls(given, start, plan.reads_test, plan.training_id, str(results), str(cache), plugins)

    def plan(self) -> Plan:
        """The plan, made anew.

        Raises:
            UserError: it has become another one.
        """
        from ferbench.experiment.prepare import Preparer, pack_in
        from ferbench.experiment.start import Start
        from ferbench.plugin.discovery import load_registry
        from ferbench.runs.directory import RunDirectory

        start = None
        if self.start is not None:
            directory, names = RunDirectory(Path(self.start["directory"])), tuple(self.start["class_names"])
            start = Start(**{**self.start, "directory": directory, "class_names": names})
        preparer = Preparer(load_registry(tuple(self.plugins)), pack_in(Path(self.cache), checked=True))
        planned = preparer.prepare(self.settings, start, reads_test=self.reads_test)
        if planned.training_id != self.training_id:
            raise UserError("the data or a plugin changed while the run started", "give the command again")
        return planned


def failure_of(error: BaseException, place: Place) -> str:
    """Why a rank ends, for `exception_of`."""
    from ferbench.plugin.culprit import blame, named
    from ferbench.training.ranks import OutOfMemory

    if isinstance(error, OutOfMemory):
        return json.dumps({"size": error.size})
    if is_out_of_memory(error):
        error = out_of_memory(error)
    if isinstance(error, UserError):
        return json.dumps({"message": error.message, "remedy": error.remedy})
    if isinstance(error, RankFailed):
        return json.dumps({"message": str(error), "trace": "\n".join(getattr(error, "__notes__", []))})
    error = blame(error)
    text = named(error) or traceback.format_exception_only(type(error), error)[0].strip()
    where = f"device {place.index + 1} of {place.count}: {text}"
    return json.dumps({"message": where, "trace": "".join(traceback.format_exception(error))})


def exception_of(failure: bytes) -> Exception:
    """What another process has given to `failure_of`."""
    from ferbench.training.ranks import OutOfMemory

    known = json.loads(failure)
    if "size" in known:
        return OutOfMemory(known["size"])
    if "remedy" in known:
        return UserError(known["message"], known["remedy"])
    return RankFailed(known["message"], known["trace"])
