"""How many epochs fit into a given time."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.tables.table import duration
from ferbench.training.estimate import Estimator

#: The rest is for what no estimate measures: checkpoints, metrics, the report.
SHARE = 0.85

_MOST = 10**6  # epochs, as `ferbench.experiment.recipe.TrainingSettings` has them


def epochs_within(seconds: float, once: Sequence[float], twice: Sequence[float], ways: int = 1) -> int:
    """The most epochs that several runs fit into a time with, all of them as many; 0 where one is too many.

    Args:
        seconds: that there are.
        once: how long each run takes with one epoch.
        twice: with two epochs; what that adds, every further one takes.
        ways: runs that go on at once.
    """
    epoch = [max(two - one, 0.0) for one, two in zip(once, twice, strict=True)]
    rest = [one - each for one, each in zip(once, epoch, strict=True)]
    most = float(_MOST)
    # Together they take at least as long as the longest of them, and as their sum shared out.
    for each, before in [*zip(epoch, rest, strict=True), (sum(epoch) / ways, sum(rest) / ways)]:
        most = min(most, (seconds - before) / each if each > 0 else most if before <= seconds else 0.0)
    return max(int(most + 1e-9), 0)


def fitting_epochs(minutes: float, once: Sequence[Plan], twice: Sequence[Plan], ways: int, estimator: Estimator) -> int:
    """How many epochs of all runs fit into so many minutes on this machine, by timing a few batches of each.

    Args:
        minutes: that there are, of which `SHARE` is planned.
        once: the runs, with one epoch.
        twice: the same with two.
        ways: runs that go on at once.
        estimator: times them.

    Raises:
        UserError: none has epochs, or one epoch does not fit.
    """
    if not once or all(plan.fits_at_once for plan in once):
        raise UserError("--minutes chooses epochs, and nothing here is trained in epochs", "leave --minutes out")
    first, second = ([estimator.estimate(plan).seconds for plan in plans] for plans in (once, twice))
    epochs = epochs_within(60 * SHARE * minutes, first, second, ways)
    if not epochs:
        needed = max(max(first), sum(first) / ways) / SHARE
        raise UserError(
            f"one epoch does not fit into {minutes:g} minutes: it takes about {duration(round(needed))}",
            "give more --minutes, fewer samples (data.train_limit), or a smaller model",
        )
    return epochs
