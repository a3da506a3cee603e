"""What models say of samples: the type, its file, and how those of several runs are brought into one order.

``predictions.npz`` holds arrays alone, no pickle; numpy reads it without torch.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ferbench.bounded import read_arrays
from ferbench.data.class_mapping import order_of_classes
from ferbench.errors import UserError
from ferbench.metrics.probabilities import predicted_classes

#: Before the name of a column of the samples among the arrays of the file.
_COLUMN = "column:"


@dataclass(frozen=True)
class Predictions:
    """What a model says about a set of samples.

    Attributes:
        ids: str[n] sample ids; everything that joins predictions joins on them.
        truth: int64[n] class ids of the task.
        probabilities: float32[n, K] softmax of the logits.
        affect_truth: float32[n, 2] annotated valence and arousal, NaN where missing; None where there are none.
        affect: float32[n, 2] predicted valence and arousal; None for a model without that head.
        columns: what else is known of the samples, text[n] by name: subject, clip, source, part.
        votes: float32[n, K] annotators' votes as shares, NaN in rows without; None where there are none, or no metric
            that was asked for needs them.
        cast_votes: float32[n, V] annotators' votes as they cast them, NaN in rows without; None where that is not
            known.
        vote_names: the V that they could vote for.
    """

    ids: NDArray[np.str_]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    affect_truth: NDArray[np.float32] | None = None
    affect: NDArray[np.float32] | None = None
    columns: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    votes: NDArray[np.float32] | None = None
    cast_votes: NDArray[np.float32] | None = None
    vote_names: tuple[str, ...] = ()

    @property
    def predicted(self) -> NDArray[np.int64]:
        """int64[n] class ids."""
        return predicted_classes(self.probabilities)

    def to_bytes(self) -> bytes:
        """As ``predictions.npz`` has them."""
        arrays: dict[str, NDArray[Any]] = {
            "ids": self.ids,
            "truth": self.truth,
            "probabilities": self.probabilities,
        }
        if self.affect_truth is not None:
            arrays["affect_truth"] = self.affect_truth
        if self.affect is not None:
            arrays["affect"] = self.affect
        if self.votes is not None:
            arrays["votes"] = self.votes
        if self.cast_votes is not None:
            arrays["cast_votes"] = self.cast_votes
            arrays["vote_names"] = np.array(self.vote_names)
        arrays |= {f"{_COLUMN}{name}": values for name, values in self.columns.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()


def read_predictions(path: Path) -> Predictions:
    """``predictions.npz``: arrays of the right types, whose shapes and values `malformed` looks at.

    Raises:
        UserError: there is none, or it is damaged.
    """
    try:
        arrays = read_arrays(path)
        return Predictions(
            ids=texts(arrays["ids"], "ids"),
            truth=whole_numbers(arrays["truth"], "truth"),
            probabilities=_numbers(arrays["probabilities"], "probabilities"),
            affect_truth=_numbers(arrays["affect_truth"], "affect_truth") if "affect_truth" in arrays else None,
            affect=_numbers(arrays["affect"], "affect") if "affect" in arrays else None,
            columns={
                name.removeprefix(_COLUMN): texts(values, name)
                for name, values in arrays.items()
                if name.startswith(_COLUMN)
            },
            votes=_numbers(arrays["votes"], "votes") if "votes" in arrays else None,
            cast_votes=_numbers(arrays["cast_votes"], "cast_votes") if "cast_votes" in arrays else None,
            vote_names=tuple(texts(arrays["vote_names"], "vote_names").tolist()) if "cast_votes" in arrays else (),
        )
    except FileNotFoundError as error:
        raise UserError(f"there are no predictions at {path}", "evaluate the run again") from error
    except KeyError as error:
        raise damaged(path, f"it has no {error}") from error
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, what: str) -> UserError:
    """The error for predictions that are not what they should be."""
    return UserError(f"{path} is damaged: {what}", "remove that evaluation and run again")


def malformed(predictions: Predictions, classes: int) -> str:
    """What is wrong with the shapes and values of predictions, in a few words; empty when nothing is."""
    n = len(predictions.ids)
    if (predictions.truth.shape, predictions.probabilities.shape) != ((n,), (n, classes)):
        return f"its arrays do not fit {n:,} samples and {classes} classes"
    for key, array in (("affect_truth", predictions.affect_truth), ("affect", predictions.affect)):
        if array is not None and array.shape != (n, 2):
            return f"{key} does not fit {n:,} samples"
    if predictions.votes is not None and predictions.votes.shape != (n, classes):
        return f"votes do not fit {n:,} samples and {classes} classes"
    if predictions.cast_votes is not None and predictions.cast_votes.shape != (n, len(predictions.vote_names)):
        return f"cast_votes do not fit {n:,} samples and {len(predictions.vote_names)} vote_names"
    if any(len(values) != n for values in predictions.columns.values()):
        return f"a column does not fit {n:,} samples"
    if len(set(predictions.ids.tolist())) != n:  # without sorting them
        return "a sample id is there twice"
    if n and not (predictions.truth.min() >= 0 and predictions.truth.max() < classes):
        return "a true class is none of the classes"
    sums = predictions.probabilities.sum(axis=1)
    if not ((predictions.probabilities >= 0).all() and np.allclose(sums, 1, atol=1e-3)):
        return "probabilities do not add up to 1"
    return ""


def texts(array: NDArray[Any], what: str) -> NDArray[np.str_]:
    """The array, if it is text[n].

    Raises:
        ValueError: it is not, or has what is no character: numpy fails on that later, whenever it is looked at.
    """
    if array.dtype.kind != "U" or array.ndim != 1 or not array.dtype.isnative:
        raise ValueError(f"{what} are no list of texts")
    if array.size and array.dtype.itemsize and np.ascontiguousarray(array).view(np.uint32).max() > sys.maxunicode:
        raise ValueError(f"{what} hold what is no character")
    return array


def whole_numbers(array: NDArray[Any], what: str) -> NDArray[Any]:
    """The array, if it holds integers.

    Raises:
        ValueError: it does not.
    """
    if array.dtype.kind not in "iu" or not array.dtype.isnative:
        raise ValueError(f"{what} has other values than whole numbers")
    return array


def _numbers(array: NDArray[Any], what: str) -> NDArray[Any]:
    """A table of numbers float[n, …]."""
    if array.dtype.kind != "f" or array.ndim != 2 or not array.dtype.isnative:
        raise ValueError(f"{what} is no table of numbers")
    return array


class Unlike(ValueError):
    """Predictions that cannot be brought into one order; the caller has the words for it.

    Attributes:
        what: ``samples``, ``classes`` or ``truth``.
        missing: ids of the samples that only the first has; of unlike truths, those of the samples.
        further: ids of the samples that only the second has.
    """

    def __init__(self, what: str, missing: Sequence[str] = (), further: Sequence[str] = ()) -> None:
        super().__init__(f"other {what}")
        self.what = what
        self.missing = missing
        self.further = further


class Ordered(Protocol):
    """Samples in an order: `Predictions`, or the samples that several are of."""

    @property
    def ids(self) -> NDArray[np.str_]: ...

    @property
    def truth(self) -> NDArray[np.int64]: ...


def aligned(base: Ordered, class_names: Sequence[str], given: Predictions, given_names: Sequence[str]) -> Predictions:
    """Predictions with samples and classes in the order of others. Samples are joined by id, classes by name.

    Args:
        base: has the order.
        class_names: its K classes.
        given: to be brought into it. Columns that only it has stay.
        given_names: its K classes.

    Raises:
        Unlike: they are not of the same samples, classes and true classes.
    """
    order = order_of_samples(base.ids, given.ids)
    columns = order_of_classes(class_names, given_names)
    if columns is None:
        raise Unlike("classes")
    # columns[k]: where the second has class k; its own ids are the inverse of that.
    truth = np.argsort(columns)[given.truth[order]]
    if (wrong := truth != base.truth).any():
        raise Unlike("truth", base.ids[wrong].tolist())
    return Predictions(
        base.ids,
        base.truth,
        given.probabilities[order][:, columns],
        None if given.affect_truth is None else given.affect_truth[order],
        None if given.affect is None else given.affect[order],
        {name: values[order] for name, values in given.columns.items()},
        None if given.votes is None else given.votes[order][:, columns],
        None if given.cast_votes is None else given.cast_votes[order],
        given.vote_names,
    )


def order_of_samples(base: NDArray[np.str_], given: NDArray[np.str_]) -> NDArray[np.int64]:
    """int64[n]: where ``given`` has each id of ``base``.

    Raises:
        Unlike: they are not the same ids, or one stands there twice.
    """
    if np.array_equal(base, given):  # as nearly always: sorting texts takes longer than reading them
        return np.arange(len(base))
    missing, further = np.setdiff1d(base, given), np.setdiff1d(given, base)
    if len(missing) or len(further) or len(base) != len(given):
        raise Unlike("samples", missing.tolist(), further.tolist())
    places = np.argsort(given, kind="stable")
    return places[np.searchsorted(given, base, sorter=places)].astype(np.int64)
