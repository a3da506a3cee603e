"""What a loss reads of outputs, or a sampler of scores, that is not there because its spec does not ask for it."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType
from typing import NoReturn

from torch import Tensor

from ferbench.data.targets import Outputs
from ferbench.errors import UserError
from ferbench.plugin.culprit import component_in_use, in_use
from ferbench.plugin.specs import LossSpec
from ferbench.training.scores import Scores

_SAMPLES = ("losses", "correct")


class Unnamed(KeyError):
    """A loss reads something of ``Outputs.extra`` that nobody put there, since its spec does not name it."""


class _Extra(dict[str, Tensor]):
    def __missing__(self, name: str) -> NoReturn:
        raise Unnamed(name)


def watched(outputs: Outputs) -> Outputs:
    """The same outputs, whose ``extra`` raises `Unnamed` where it lacks a name."""
    return replace(outputs, extra=_Extra(outputs.extra), others=tuple(map(watched, outputs.others)))


def unnamed(error: Exception, outputs: Outputs) -> str | None:
    """What a loss read of outputs without naming it in its needs, where it raised an exception because of that.

    Args:
        error: what it raised for `watched` outputs.
        outputs: that it was given.
    """
    if isinstance(error, Unnamed):
        return str(error.args[0])
    for name in ("features", "classifier"):
        if getattr(outputs, name) is None and _fails_for_want_of(name, error):
            return name
    return None


def _fails_for_want_of(name: str, error: Exception) -> bool:
    """Whether an exception says that there is nothing where code in its trace reads the attribute ``name``."""
    if isinstance(error, AssertionError):
        line = traceback.extract_tb(error.__traceback__)[-1].line or ""
        return f".{name} is not None" in line and f"teacher.{name}" not in line
    said = str(error)
    if not isinstance(error, AttributeError | TypeError) or "NoneType" not in said or f"attribute '{name}'" in said:
        return False
    return any(name in frame.f_code.co_names for frame in _frames(error))


def refuse_unnamed(name: str) -> UserError:
    """What is said of a loss that reads ``name`` of outputs and does not name it."""
    component = component_in_use("loss")
    needs = component.spec.needs if component is not None and isinstance(component.spec, LossSpec) else ()
    return UserError(
        f"{in_use('loss')} reads {name} of the outputs, and does not say that it needs it",
        f"name it in its ferbench.LossSpec(needs={(*needs, name)})",
    )


@contextlib.contextmanager
def without_samples(sampler: object) -> Iterator[None]:
    """Around the call of a sampler that has not said that it hears of single samples.

    Raises:
        UserError: it fails for want of them, or gives what is refused and may be made of them.
    """
    try:
        yield
    except UserError as error:
        if (name := reads_samples(sampler)) is None:
            raise
        raise UserError(
            error.message,
            f"{error.remedy}; its update() reads scores.{name}, which is None unless its ferbench.SamplerSpec has "
            "per_sample=True",
        ) from error
    except (AssertionError, AttributeError, IndexError, TypeError, ValueError) as error:
        if (name := none_of_samples(error)) is None:
            raise
        raise UserError(
            f"{in_use('sampler')} fails where scores.{name} is None: it hears of no single samples unless it says so",
            "set per_sample=True in its ferbench.SamplerSpec",
        ) from error


def reads_samples(sampler: object) -> str | None:
    """What the code of a sampler's update() reads of single samples; None: nothing.

    NumPy takes None for an array of one element, so that reading it need not fail: ``np.argsort(None)`` is ``[0]``.
    """
    code = getattr(getattr(type(sampler), "update", None), "__code__", None)
    return next((name for name in _SAMPLES if code is not None and name in code.co_names), None)


def none_of_samples(error: Exception) -> str | None:
    """What code in a trace reads of scores though it is None, which the sampler may have kept (``self.losses``)."""
    for frame in _frames(error):
        read = [name for name in frame.f_code.co_names if name.strip("_") in _SAMPLES]
        scores = [one for one in frame.f_locals.values() if isinstance(one, Scores)]
        for holder in (*scores, *filter(None, [getattr(frame.f_locals.get("self"), "__dict__", None)])):
            for name in read:
                value = holder.get(name, holder) if isinstance(holder, dict) else getattr(holder, name, holder)
                if value is None:
                    return name.strip("_")
    return None


def _frames(error: Exception) -> Iterator[FrameType]:
    """Of the code that an exception came through, but for the harness's own."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return (frame for frame in frames if str(frame.f_globals.get("__name__")).partition(".")[0] != "ferbench")
