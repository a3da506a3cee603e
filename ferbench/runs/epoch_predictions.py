"""Which class was predicted of each validation sample after each epoch: ``epochs.npz``, and what follows from it.

One array, ``predicted``, uint8[epochs, n], in the order of the predictions of the run's validation: a byte a sample and
an epoch before compression.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ferbench.bounded import Damaged, read_arrays
from ferbench.errors import UserError
from ferbench.records.run import OnTest, OnTestGain
from ferbench.runs.directory import RunDirectory
from ferbench.statistics.clusters import clusters_of
from ferbench.statistics.selection import bought
from ferbench.storage import remove_file, replace_file

EPOCHS_FILE = "epochs.npz"

#: Classes that a byte tells apart.
MOST_CLASSES = 256


def write_epoch_predictions(directory: RunDirectory, predicted: NDArray[np.uint8]) -> None:
    """Write ``epochs.npz``: class ids [epochs, n]."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, predicted=predicted)
    replace_file(directory.path / EPOCHS_FILE, buffer.getvalue())


def remove_epoch_predictions(directory: RunDirectory) -> None:
    """Those of an earlier training, which begins anew."""
    remove_file(directory.path / EPOCHS_FILE)


def read_epoch_predictions(directory: RunDirectory) -> NDArray[np.uint8] | None:
    """Class ids uint8[epochs, n]; None where a run has none, as of older releases, of zero epochs and of fits.

    Raises:
        UserError: the file is damaged.
    """
    path = directory.path / EPOCHS_FILE
    try:
        predicted = read_arrays(path)["predicted"]
        if predicted.dtype != np.uint8 or predicted.ndim != 2:
            raise Damaged("it has no class of each sample after each epoch")
        return predicted
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        what = getattr(error, "strerror", None) or (f"it has no {error}" if isinstance(error, KeyError) else error)
        raise UserError(
            f"{path} is damaged: {what}",
            "take it from a backup, or remove it: what choosing the epoch on test would have bought stays in run.json",
        ) from error


def on_test(
    predicted: NDArray[np.uint8],
    truth: NDArray[np.int64],
    classes: int,
    ids: NDArray[np.str_],
    columns: Mapping[str, NDArray[np.str_]],
) -> OnTest | None:
    """What choosing the epoch on test would have bought, as the record of a run has it; None for a single epoch.

    Args:
        predicted: class ids [epochs, n].
        truth: class ids [n].
        classes: K.
        ids: text[n].
        columns: what is known of the samples, text[n] by name: persons and clips stay in one half.
    """
    clusters = clusters_of(ids, columns)
    found = bought(predicted, truth, classes, None if clusters is None else clusters.of)
    if found is None:
        return None
    gains = {
        name: OnTestGain(mean=gain.mean, deviation=gain.deviation, low=gain.low, high=gain.high)
        for name, gain in found.gains.items()
    }
    made = OnTest(halvings=found.halvings, n=len(truth), gains=gains)
    if clusters is not None:
        made.by = clusters.by
    return made


def on_test_line(known: Sequence[OnTest], metrics: Sequence[str] = ("accuracy", "macro_f1")) -> str:
    """What choosing the epoch on test would have bought, in words, over runs that differ in their seeds."""
    from ferbench.metrics.measures import measure

    parts = []
    for name in metrics:
        gains = [one.gains[name] for one in known if name in one.gains]
        if not gains:
            continue
        means = np.array([gain.mean for gain in gains])
        within = float(np.mean([gain.deviation**2 for gain in gains]))
        spread = (within + float(means.var(ddof=1) if len(means) > 1 else 0.0)) ** 0.5
        label = measure(name).label
        parts.append(f"{100 * float(means.mean()):+.1f} ± {100 * spread:.1f} points of {label}")
    halves = sorted({one.n // 2 for one in known})
    size = f"{halves[0]:,}" if len(halves) == 1 else f"{halves[0]:,} to {halves[-1]:,}"
    over = f"{sum(one.halvings for one in known):,} halvings of validation"
    over += f" by {known[0].by}" if known[0].by and len({one.by for one in known}) == 1 else ""
    over += f" in {len(known):,} runs" if len(known) > 1 else ""
    return f"the best epoch on a test set of {size} samples would have said {' and '.join(parts)} (mean ± SD, {over})"
