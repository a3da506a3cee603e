"""The sampler that a recipe chose: built, asked for an epoch, and how long its epochs are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.order import Lengths, Order
from ferbench.errors import UserError
from ferbench.experiment.estimators import refuse_hearing
from ferbench.experiment.resolve import ResolvedRecipe
from ferbench.plugin.culprit import calls, in_use
from ferbench.task import Task
from ferbench.wording import one_line


def build_sampler(resolved: ResolvedRecipe, labels: NDArray[np.int64], task: Task) -> Any:
    """The sampler that a recipe chose, with labels of its own: what it did to the run's would be the truth that is
    learnt.

    Raises:
        UserError: its options do not fit the task.
    """
    own = labels.copy()
    own.flags.writeable = False
    chosen, training = resolved.components["sampler"], resolved.recipe.training
    more = chosen.component.asked({"batch_size": training.batch_size, "epochs": training.epochs})
    return chosen.build(own, task, seed=training.seed, **more)


def planned_lengths(resolved: ResolvedRecipe, labels: NDArray[np.int64], task: Task) -> Lengths:
    """How long the epochs will be, as the sampler tells, or else as its first one is.

    One that fails, which the run will say, counts as one that draws every sample once.

    Args:
        resolved: what is asked for.
        labels: int64[n], of the training split.
        task: what the sampler is built for.

    Raises:
        UserError: its options do not fit the task.
    """
    training = resolved.recipe.training
    try:
        sampler = build_sampler(resolved, labels, task)
    except UserError:
        raise
    except Exception:  # a plugin's, whatever it may be; one of them must not end the planning of a grid
        return Lengths.cut([len(labels)], training.batch_size)
    try:
        told = told_lengths(sampler, training.epochs)
        first = draw(sampler, 1, len(labels), training.batch_size)
    except Exception:
        return Lengths.cut([len(labels)], training.batch_size)
    if gives_batches(sampler):
        return Lengths.of(first, told)
    return Lengths.cut(told or [len(first)], training.batch_size)


#: Epochs that the draws of a sampler are averaged over, for an estimator: a share of 1/10 is then right to 3 %.
_AVERAGED = 1000


def check_fixed_draws(resolved: ResolvedRecipe, labels: NDArray[np.int64], task: Task) -> None:
    """Refuse a sampler for an estimator that draws by what it hears.

    Raises:
        UserError: it does, or its options do not fit the task.
    """
    sampler = build_sampler(resolved, labels, task)
    state = sampler.state_dict() if callable(getattr(sampler, "state_dict", None)) else None
    components = resolved.components
    refuse_hearing(components["sampler"].component, components["model"].component, state=state)


def mean_draws(resolved: ResolvedRecipe, labels: NDArray[np.int64], task: Task) -> NDArray[np.float64] | None:
    """How often a sampler draws each training sample in an epoch, on average, as multiples of the mean.

    Args:
        resolved: what is asked for.
        labels: int64[n], of the training split.
        task: what the sampler is built for.

    Returns:
        float64[n]; None: all are drawn equally often.

    Raises:
        UserError: the sampler's options do not fit the task, or it draws what is not there.
    """
    sampler, n = build_sampler(resolved, labels, task), len(labels)
    drawn = np.zeros(n, dtype=np.int64)
    for epoch in range(1, _AVERAGED + 1):
        drawn += np.bincount(draw(sampler, epoch, n, resolved.recipe.training.batch_size).positions, minlength=n)
        if epoch == 2 and drawn.min() == drawn.max():
            return None
    return drawn / drawn.mean()


#: No epoch has more; a number out of range is a mistake, not a plan.
_LONGEST = 10**9


def gives_batches(sampler: Any) -> bool:
    """Whether a sampler has ``batches(epoch)`` in place of ``indices(epoch)``."""
    return callable(getattr(sampler, "batches", None)) and not hasattr(sampler, "indices")


def tells_lengths(sampler: Any) -> bool:
    """Whether a sampler has ``lengths(epochs)``."""
    return callable(getattr(sampler, "lengths", None))


@calls("sampler")
def told_lengths(sampler: Any, epochs: int) -> list[int] | None:
    """What a sampler says of the lengths of its epochs; None: nothing, all are as the first, or there are none.

    Raises:
        UserError: that is no length for each epoch.
    """
    if not tells_lengths(sampler) or not epochs:
        return None
    told = sampler.lengths(epochs)
    given = np.asarray(told)
    if (
        given.shape == (epochs,)
        and np.issubdtype(given.dtype, np.integer)
        and 1 <= given.min() <= given.max() <= _LONGEST
    ):
        return [int(length) for length in given]
    what = "batches" if gives_batches(sampler) else "positions"
    raise UserError(
        f"{in_use('sampler')} gives {one_line(repr(told))[:100]} as the lengths of {epochs} epochs, not a whole number "
        f"from 1 to {_LONGEST:,} for each",
        f"let its lengths(epochs) return how many {what} each epoch has",
    )


@calls("sampler")
def draw(sampler: Any, epoch: int, n: int, batch_size: int, lengths: Lengths | None = None) -> Order:
    """A sampler's positions for an epoch, copied.

    Args:
        sampler: of a training split of ``n`` samples.
        epoch: from 1.
        n: size of the split.
        batch_size: samples of a batch, the most where the sampler gives whole ones.
        lengths: how long the epochs must be; None: of any length.

    Raises:
        UserError: it gives something else.
    """
    if gives_batches(sampler):
        return _whole(sampler, epoch, n, batch_size, lengths)
    if not callable(getattr(sampler, "indices", None)):
        raise UserError(
            f"{in_use('sampler')} has neither indices(epoch) nor batches(epoch)",
            "let indices(epoch) return the positions of an epoch, int64[m], or batches(epoch) those of each batch",
        )
    given = np.asarray(sampler.indices(epoch))
    _check(given, epoch, n, "indices()")
    if lengths is not None and len(given) != lengths.samples_of(epoch):
        raise _other_length(sampler, f"{len(given):,} positions", epoch, lengths.samples_of(epoch))
    return Order.cut(given.astype(np.int64), batch_size)


def _whole(sampler: Any, epoch: int, n: int, batch_size: int, lengths: Lengths | None) -> Order:
    given = sampler.batches(epoch)
    batches = [np.asarray(batch) for batch in given] if isinstance(given, Iterable) else []
    if not batches:
        raise UserError(
            f"{in_use('sampler')} gives no batch for epoch {epoch}",
            "let its batches() return a list of arrays of positions, int64[m] each, or an array int64[b, m]",
        )
    for batch in batches:
        _check(batch, epoch, n, "batches()")
    largest = max(map(len, batches))
    if largest > batch_size:
        raise UserError(
            f"{in_use('sampler')} gives a batch of {largest:,} samples for epoch {epoch}, but training.batch_size is "
            f"{batch_size:,}",
            f"set training.batch_size to {largest} or more, or let its batches be smaller",
        )
    if lengths is not None and len(batches) != lengths.batches_of(epoch):
        raise _other_length(sampler, f"{len(batches):,} batches", epoch, lengths.batches_of(epoch))
    return Order.of([batch.astype(np.int64) for batch in batches])


def _check(given: NDArray[Any], epoch: int, n: int, method: str) -> None:
    fault = None
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        fault = f"gives {given.dtype}{list(given.shape)} for epoch {epoch}, not whole numbers, int64[m]"
    elif not len(given):
        fault = f"gives no position for epoch {epoch}"
    elif given.min() < 0 or given.max() >= n:
        wrong = given[(given < 0) | (given >= n)][0]
        fault = f"gives position {wrong} for epoch {epoch}, but the {n:,} training samples are 0 to {n - 1:,}"
    if fault is not None:
        raise UserError(f"{in_use('sampler')} {fault}", f"correct what its {method} returns")


def _other_length(sampler: Any, found: str, epoch: int, expected: int) -> UserError:
    if tells_lengths(sampler):
        return UserError(
            f"{in_use('sampler')} gives {found} for epoch {epoch}, and told {expected:,}: the learning rates are "
            "planned for those",
            "let lengths() tell what the epochs have, whatever the sampler hears on the way",
        )
    return UserError(
        f"{in_use('sampler')} gives {found} for epoch {epoch}, but {expected:,} for epoch 1: the learning rates are "
        "planned for epochs of one length",
        "let it draw the same number in every epoch, for instance with repetition; or let it tell them beforehand, "
        "with lengths(epochs)",
    )
