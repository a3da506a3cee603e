"""What the training loop calls of samplers and schedules, and which of their results it refuses."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.plugin.culprit import calls, in_use
from ferbench.training.undeclared import without_samples
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.training.loop import Sampler, Schedule
    from ferbench.training.scores import Scores


@calls("sampler")
def described(sampler: Sampler) -> dict[str, Any] | None:
    """How a sampler describes the epoch that it is about to draw, a copy.

    Raises:
        UserError: the record cannot hold it.
    """
    describe = getattr(sampler, "describe", None)
    if describe is None:
        return None
    description = describe()
    try:
        text = json.dumps(description)
    except (TypeError, ValueError) as error:
        fault = one_line(str(error))
    else:
        if isinstance(description, dict):
            plain: dict[str, Any] = json.loads(text)
            return plain
        fault = f"it is {type(description).__name__}"
    raise UserError(
        f"{in_use('sampler')} describes an epoch by what is no dictionary of plain values: {fault}",
        "let its describe() return a dictionary of numbers, texts, lists and dictionaries",
    )


@calls("sampler")
def pass_scores(
    sampler: Sampler, scores: Scores, each: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
) -> None:
    """Give a sampler a copy of an epoch's scores: the epoch's record is made of them later.

    Args:
        sampler: that hears them.
        scores: of the epoch.
        each: loss, and share of right predictions, of each training sample; None: it does not ask for them.

    Raises:
        UserError: it fails since it does not ask for them.
    """
    losses, correct = each or (None, None)
    with without_samples(sampler) if each is None else contextlib.nullcontext():
        sampler.update(replace(copy.deepcopy(scores), losses=losses, correct=correct))


@calls("schedule")
def rates_at(schedule: Schedule, step: int, scores: Scores | None, groups: int) -> tuple[float, ...]:
    """The learning rates of a step.

    Raises:
        UserError: they are not one finite number of at least 0 for each group.
    """
    rates = schedule(step, scores)
    if isinstance(rates, tuple) and len(rates) == groups and all(0 <= rate < math.inf for rate in rates):
        return rates
    raise UserError(
        f"{in_use('schedule')} gives {one_line(repr(rates))[:200]} for step {step}, not a tuple of {groups} rates",
        "let it give a finite rate of at least 0 for each of the base rates that it was built with",
    )
