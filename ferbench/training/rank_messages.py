"""Why a rank has failed, as it tells the others and whoever has started them: plain values."""

from __future__ import annotations

import traceback
from typing import Any

from ferbench.errors import UserError, is_out_of_memory, out_of_memory
from ferbench.plugin.culprit import blame, named
from ferbench.training.ranks import OutOfMemory
from ferbench.training.torchrun import Place


class RankFailed(Exception):
    """A rank has failed: where and why, with its traceback as a note where there is one."""

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        self.trace = trace
        if trace:
            self.add_note(trace.rstrip())


def failure_of(error: BaseException, place: Place) -> dict[str, Any]:
    """Why a rank ends, for `exception_of`."""
    if isinstance(error, OutOfMemory):
        return {"size": error.size}
    if is_out_of_memory(error):
        error = out_of_memory(error)
    if isinstance(error, UserError):
        return {"message": error.message, "remedy": error.remedy}
    if isinstance(error, RankFailed):
        return {"message": str(error), "trace": error.trace}
    error = blame(error)
    text = named(error) or traceback.format_exception_only(type(error), error)[0].strip()
    trace = "".join(traceback.format_exception(error))
    return {"message": f"device {place.index + 1} of {place.count}: {text}", "trace": trace}


def exception_of(failure: dict[str, Any]) -> Exception:
    """What another process has given to `failure_of`."""
    if "size" in failure:
        return OutOfMemory(**failure)
    return UserError(**failure) if "remedy" in failure else RankFailed(**failure)
