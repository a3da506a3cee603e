"""What a recipe does to predictions at test time: built, fitted on validation predictions, and applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.culprit import using
from ferbench.records.evaluation import UsedPostprocessing
from ferbench.task import Task

#: Probabilities below this have its logarithm, since that of 0 is no number: the smallest normal float32.
_SMALLEST = float(np.finfo(np.float32).tiny)

#: Made-up samples that it is tried with before a training.
_TRIED = 256


class Postprocessing:
    """A component that a recipe chose, in use.

    Args:
        chosen: the component with its options.
        task: what it is built for.
        identity: of the component, where it is known; None: as it is now.

    Attributes:
        chosen: the component with its options.

    Raises:
        UserError: its options do not fit the task, or what it is made of cannot be called.
    """

    def __init__(self, chosen: ChosenComponent, task: Task) -> None:
        self.chosen = chosen
        self._classes = task.num_classes
        self._fitted: int | None = None
        self._built = chosen.build(task)
        lacking = [name for name in ("state_dict", "load_state_dict") if self.fits and not hasattr(self._built, name)]
        if not callable(self._built) or lacking:
            missing = "__call__()" if not lacking else f"{' and '.join(lacking)}(), with which what it fits is kept"
            raise UserError(f"{self._component.title} lacks {missing}", "see ferbench.PostprocessingSpec")

    @property
    def _component(self) -> Any:
        return self.chosen.component

    @property
    def fits(self) -> bool:
        """It is fitted on validation predictions before it is used."""
        return callable(getattr(self._built, "fit", None))

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> None:
        """Fit it, where it wants that.

        Args:
            probabilities: float[n, K] of validation samples, without any post-processing.
            labels: int64[n] true class ids.
        """
        if self.fits:
            with using(self._component):
                self._built.fit(log_probabilities(probabilities), np.array(labels, dtype=np.int64))
            self._fitted = len(labels)

    def try_out(self, samples: int) -> None:
        """Fit it to made-up predictions and apply it, so that what would be refused after the training is now.

        Args:
            samples: of validation; at most `_TRIED` are made up, of every class in turn.

        Raises:
            UserError: as calling it and `record` do.
        """
        n = max(2, min(samples, _TRIED))
        labels = np.arange(n, dtype=np.int64) % self._classes
        drawn = np.random.default_rng(0).normal(0.0, 2.0, (n, self._classes))
        drawn[np.arange(n), labels] += 2.0
        raised = np.exp(drawn)
        probabilities = raised / raised.sum(axis=1, keepdims=True)
        self.fit(probabilities, labels)
        self(probabilities)
        self.record()

    def load(self, used: UsedPostprocessing) -> None:
        """Take what was fitted from the record of an evaluation."""
        if self.fits:
            self._fitted = used.fitted
            with using(self._component):
                self._built.load_state_dict(dict(used.state or {}))

    def __call__(self, probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
        """Probabilities float32[N, K] as it leaves them.

        Raises:
            UserError: what it gives has another shape, is not finite, or is another for an image alone.
        """
        made = self._made(probabilities)
        if len(made) > 1 and not np.allclose(self._made(probabilities[:1]), made[:1], rtol=1e-3, atol=1e-4):
            raise self._refused("gives an image other probabilities alone than among others")
        return made

    def _made(self, probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
        with using(self._component):
            returned = self._built(log_probabilities(probabilities))
        try:
            given = np.asarray(returned, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise self._refused(f"gives {type(returned).__name__}, not an array of logits") from error
        if given.shape != probabilities.shape:
            raise self._refused(f"gives an array of shape {given.shape} for logits of shape {probabilities.shape}")
        with np.errstate(all="ignore"):
            raised = np.exp(given - given.max(axis=1, keepdims=True))
            made = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        if not np.isfinite(made).all():
            raise self._refused("gives logits that are not finite")
        return made

    def record(self) -> UsedPostprocessing:
        """What an evaluation records of it.

        Raises:
            UserError: a plain record cannot hold its state.
        """
        used = UsedPostprocessing.model_validate(self.chosen.describe().plain())
        covered = self.chosen.identify()["options"]
        if covered != used.options:
            assert isinstance(covered, dict)
            used.covered = covered
        if self.fits:
            used.fitted = self._fitted
            with using(self._component):
                state = self._built.state_dict()
            try:
                used.state = UsedPostprocessing(name=used.name, state=_as_plain(state)).state
            except ValueError as error:
                raise self._refused("has a state that no record holds; give plain, finite values") from error
        return used

    def _refused(self, what: str) -> UserError:
        return UserError(
            f"{self._component.title} {what}", f"{self._component.whom}; the contract is ferbench.PostprocessingSpec"
        )


def log_probabilities(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """The logits float64[n, K] that post-processing is given, in an array of their own."""
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _SMALLEST))


def identity_of(chosen: ChosenComponent | None) -> dict[str, Any]:
    """What an evaluation id covers of it, among the options; empty for none."""
    return {} if chosen is None else {"postprocessing": chosen.identify()}


def _as_plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state with numpy's numbers and arrays as Python's."""
    return {key: value.tolist() if hasattr(value, "tolist") else value for key, value in dict(state).items()}
