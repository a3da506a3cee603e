"""An evaluation as it is written down: of a run's own validation and test, or of its finished weights afterwards."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.pack import Pack
from ferbench.data.splits import Rows
from ferbench.experiment.recipe import EvaluationSettings
from ferbench.ids import short
from ferbench.metrics.scoring import scores_record
from ferbench.records.evaluation import Evaluation, StoredPixels
from ferbench.records.run import Run
from ferbench.runs.directory import Predictions, RunDirectory
from ferbench.runs.pixels import stored_as, told_apart
from ferbench.training.evaluation import SplitResult


@dataclass(frozen=True)
class Tested:
    """The samples of an evaluation, and how they were looked at.

    Attributes:
        pack: the data.
        rows: of the pack.
        rows_digest: of their content.
        split: ``train``, ``validation``, ``test``, or ``all``.
        protocol: how the dataset was split.
        synthetic: the images are generated.
        excluded: samples that a list of exclusions took out.
        options: what was done at test time.
        started: `time.perf_counter` at the beginning.
    """

    pack: Pack
    rows: Rows
    rows_digest: str
    split: str
    protocol: str
    synthetic: bool
    excluded: int
    options: EvaluationSettings
    started: float = field(default_factory=time.perf_counter)

    def predictions(
        self, truth: NDArray[np.int64], result: SplitResult, columns: NDArray[np.int64] | None = None
    ) -> Predictions:
        """What a model says of the samples.

        Args:
            truth: int64[n] class ids.
            result: of these samples, in their order.
            columns: of the probabilities, which are wanted; None: all.
        """
        probabilities = result.probabilities
        return Predictions(
            ids=np.asarray(self.pack.ids[self.rows]),
            truth=truth,
            probabilities=probabilities if columns is None else np.ascontiguousarray(probabilities[:, columns]),
            affect_truth=result.affect_truth,
            affect=result.affect,
            columns=self.pack.facts(self.rows),
        )

    def write(
        self,
        directory: RunDirectory,
        record: Run,
        identifier: str,
        predictions: Predictions,
        class_names: tuple[str, ...],
        *,
        losses: Mapping[str, float] | None = None,
        over: Sequence[int] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the evaluation into the run's directory, and put its entry into the record, which is not written.

        Args:
            directory: of the run.
            record: of the run.
            identifier: the evaluation id.
            predictions: of the samples.
            class_names: K names, of the predictions' class ids.
            losses: the run's loss and its components by name; None: they were not asked for.
            over: class ids that macro averages are taken over; None: all K.
            more: further fields of the `Evaluation`.
        """
        stored = stored_as(self.pack, self.rows)
        apart = told_apart(record.plain(), self.split, self.rows_digest, stored, self.pack)
        scores = scores_record(
            predictions.truth,
            predictions.probabilities,
            class_names,
            affect_truth=predictions.affect_truth,
            affect=predictions.affect,
            losses=losses,
            over=over,
        )
        evaluation = Evaluation(
            evaluation_id=identifier,
            training_id=record.identity.training_id,
            split=self.split,
            rows_digest=self.rows_digest,
            dataset=self.pack.dataset,
            synthetic=self.synthetic,
            protocol=self.protocol,
            options={**self.options.model_dump(mode="json"), **apart},
            stored=None if stored is None else StoredPixels.model_validate(stored),
            excluded=self.excluded,
            **scores,
            **(more or {}),
            seconds=round(time.perf_counter() - self.started, 3),
        )
        record.evaluations[short(identifier)] = directory.save_evaluation(evaluation, predictions)
