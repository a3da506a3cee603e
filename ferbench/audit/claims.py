"""What arithmetic says of a single published accuracy: which number of images gives it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from ferbench.audit.printed import Printed

#: Sizes of the test sets that accuracies of a dataset are usually about, with what they are called.
_TEST_SETS = {
    "FER2013": ((3589, "PrivateTest or PublicTest"), (7178, "both")),
    "RAF-DB": ((3068, "the test set"),),
    "AffectNet-7": ((3500, "the validation set"),),
}
_FEW = 3  # numbers of images


def of_images(accuracy: Printed, dataset: str, images: int | None) -> str:
    """A sentence about an accuracy; empty where no test set is known or many numbers of images give it.

    Args:
        accuracy: as it was printed.
        dataset: what it is of.
        images: how many were tested; None: those of the dataset's usual test sets are tried.
    """
    sizes = ((images, ""),) if images is not None else _TEST_SETS.get(dataset, ())
    return "; ".join(filter(None, _sentences(accuracy, sizes)))


def _sentences(accuracy: Printed, sizes: tuple[tuple[int, str], ...]) -> Iterator[str]:
    for size, title in sizes:
        whose = f"{size:,} images" + (f" ({title})" if title else "")
        interval = accuracy.interval("nearest")
        low, high = math.ceil(interval.low * size), math.floor(interval.high * size)
        if high - low >= _FEW:
            continue
        if low <= high:
            yield f"it is {_numbers(low, high)} of {whose}"
            continue
        interval = accuracy.interval("truncate")
        right = math.floor(accuracy.value * size)
        above = math.ceil(interval.low * size)
        if Fraction(above, size) < interval.high:
            yield f"it is {above:,} of {whose} with digits cut off, and no number of them when rounded"
            continue
        decimals = max(0, round(-math.log10(accuracy.step)) - 2)
        near = " and ".join(f"{count:,} are {100 * count / size:.{decimals}f} %" for count in (right, right + 1))
        yield f"it is no whole number of {whose}: {near}"


def _numbers(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
