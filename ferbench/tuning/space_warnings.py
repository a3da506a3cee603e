"""What a user should know of a search space before the first trial."""

from __future__ import annotations

from collections.abc import Sequence

#: As many trials as dimensions say little; with twice as many nothing is said.
_TRIALS_EACH = 2

#: Options of augmentations that are about colours (`ferbench.data.augment.recolor`).
_OF_COLOUR = ("hue", "saturation")


def few_trials(dimensions: Sequence[str], trials: int, algorithm: str) -> str | None:
    """A warning of a search that has hardly more trials than dimensions; None: it has more, or goes through all values.

    Args:
        dimensions: keys of what is searched.
        trials: in all.
        algorithm: that chooses them.
    """
    least = _TRIALS_EACH * len(dimensions)
    if algorithm == "grid" or len(dimensions) < 2 or trials >= least:
        return None
    return (
        f"warning: {trials:,} trials over {len(dimensions)} dimensions are hardly more than guesses: the best of them "
        f"is the luckiest. Give --trials {5 * least}, or search less: --only --search optimizer.lr=1e-4..1e-2:log"
    )


def without_effect(dimensions: Sequence[str], channels: int) -> str | None:
    """A warning of dimensions that change nothing, since images are gray; None: there is none.

    Args:
        dimensions: keys of what is searched.
        channels: of the stored images.
    """
    idle = [key for key in dimensions if channels == 1 and key.rpartition(".")[2] in _OF_COLOUR]
    if not idle:
        return None
    off = " ".join(f"--search {key}=0" for key in idle)
    them = "it changes" if len(idle) == 1 else "they change"
    return f"warning: {', '.join(idle)}: {them} nothing, since the images are gray; leave out: {off}"
