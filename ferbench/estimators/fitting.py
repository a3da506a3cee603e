"""Fitting an estimator on a training split."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ferbench.data.batches import Batches
from ferbench.errors import UserError
from ferbench.estimators.module import EstimatorModule, as_rows
from ferbench.estimators.stored import to_bytes
from ferbench.plugin.culprit import calls, in_use
from ferbench.wording import one_line

#: Images that are prepared at a time.
_AT_ONCE = 1024


def fit(
    module: EstimatorModule,
    train: Batches,
    weights: NDArray[np.float64] | None,
    threads: int,
    warn: Callable[[str], None],
) -> None:
    """Fit the module's estimator; what it then predicts with is what a checkpoint holds.

    Args:
        module: not fitted yet.
        train: the training split.
        weights: float64[n], how often each sample counts; None: all alike.
        threads: that it may take.
        warn: is given a line for each warning.

    Raises:
        UserError: it takes no weights, cannot be fitted on so few samples, or cannot be kept without pickle.
    """
    estimator, given = module.estimator, {}
    if weights is not None:
        refuse_without_weights(estimator)
        given["sample_weight"] = weights
    to_bytes(estimator, module.trusted)  # what cannot be kept is said before the fit
    images = rows_of(train)
    with _warnings(warn):
        _interruptible(lambda: _call(estimator, images, train.truth.labels, given, threads))
    content = to_bytes(estimator, module.trusted)
    module.load_state_dict({"skops": torch.frombuffer(bytearray(content), dtype=torch.uint8)})


@calls("model")
def _call(
    estimator: Any, images: NDArray[np.float32], labels: NDArray[np.int64], given: dict[str, Any], threads: int
) -> None:
    with limited(threads):
        estimator.fit(images, labels.copy(), **given)


def _interruptible(work: Callable[[], None]) -> None:
    """Work in a thread that nothing waits for once a signal came: compiled code would hear of it when it is done."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="fit", daemon=True)
    thread.start()
    while thread.is_alive():  # with a time, since on some systems no signal wakes a wait without one
        thread.join(0.2)
    if raised:
        raise raised[0]


def refuse_without_weights(estimator: Any) -> None:
    """Refuse an estimator whose ``fit`` has no parameter ``sample_weight``.

    Raises:
        UserError: it has not.
    """
    if "sample_weight" not in inspect.signature(estimator.fit).parameters:
        raise UserError(
            f"{in_use('model')} takes no sample weights, and the sampler does not draw all samples equally often",
            "choose --sampler shuffled, or let its fit() have a parameter sample_weight",
        )


def rows_of(batches: Batches) -> NDArray[np.float32]:
    """All images of a split as rows: float32[n, C·H·W]."""
    shape = batches.shape
    rows = np.empty((len(batches), shape.channels * shape.size[0] * shape.size[1]), dtype=np.float32)
    for start in range(0, len(batches), _AT_ONCE):
        positions = np.arange(start, min(start + _AT_ONCE, len(batches)), dtype=np.int64)
        rows[positions] = as_rows(batches.images(positions))
    return rows


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """Threads of BLAS and OpenMP, and of joblib where an estimator does not say."""
    import threadpoolctl
    from joblib import parallel_config

    with threadpoolctl.threadpool_limits(threads), parallel_config(backend="threading", n_jobs=threads):
        yield


@contextlib.contextmanager
def _warnings(warn: Callable[[str], None]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    for line in dict.fromkeys(one_line(f"{one.category.__name__}: {one.message}")[:300] for one in caught):
        warn(line)
