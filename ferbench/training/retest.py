"""The weights of a finished run tested on other samples, or in another way, without training."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferbench.data.batches import Batches, Truth
from ferbench.data.class_mapping import ClassMapping
from ferbench.data.pack import Pack
from ferbench.data.tested_rows import TestedRows
from ferbench.data.views import VIEWS
from ferbench.experiment.fingerprint import evaluation_id, fields_with_role
from ferbench.experiment.recipe import EvaluationSettings, Role
from ferbench.ids import short
from ferbench.metrics.scoring import scores_record
from ferbench.plugin.culprit import using
from ferbench.runs.directory import Predictions, RunDirectory
from ferbench.runs.learnt import Samples, read_samples, same_protocol, seen
from ferbench.runs.lock import only_writer
from ferbench.runs.pixels import STORED, stored_as, told_apart
from ferbench.training.evaluation import evaluate, evaluation_batch
from ferbench.training.record import now
from ferbench.training.restore import TrainedModel
from ferbench.training.step import is_out_of_memory


@dataclass(frozen=True)
class Retest:
    """What finished weights are tested on, and how.

    Attributes:
        pack: the data.
        part: ``test``, ``validation``, ``train`` or ``all``.
        rows: of the pack.
        mapping: between the model's classes and the dataset's.
        synthetic: the images are generated.
        options: what is done at test time.
    """

    pack: Pack
    part: str
    rows: TestedRows
    mapping: ClassMapping
    synthetic: bool
    options: EvaluationSettings


def retest_id(record: dict[str, Any], test: Retest, trained: TrainedModel) -> str:
    """The evaluation id. It is that of the run's own evaluation where samples, pixels, classes and options agree; what
    a changed plugin makes of the weights has an id of its own, unless the unchanged one has been asked already."""
    options = fields_with_role(test.options, Role.EVALUATION)
    mapping = test.mapping
    if mapping.only_model or mapping.unknown:
        options["scored"] = sorted(mapping.class_names[: mapping.scored])
    training, rows = record["identity"]["training_id"], test.rows.digest
    stored = stored_as(test.pack, test.rows.rows)
    identifier = evaluation_id(training, rows, options, None if stored is None else stored["digest"])
    older = evaluation_id(training, rows, options)
    held = record["evaluations"].get(short(older))
    if held is not None and STORED not in held:
        # Older releases gave this id to any size and fit; which ones those were, only the pack can tell.
        if held.get("data", record["data"]).get("pack") == test.pack.digest:
            return older
        if stored is None:
            identifier = evaluation_id(training, rows, options, test.pack.digest)
    if trained.changed and short(identifier) not in record["evaluations"]:
        return evaluation_id(identifier, rows, {"plugin": dict(trained.plugin)})
    return identifier


def retest(directory: RunDirectory, trained: TrainedModel, test: Retest, batch_size: int) -> str:
    """Test a run's weights and add the evaluation to its directory, unless it is there already.

    Args:
        directory: of the run.
        trained: its model.
        test: what on, and how.
        batch_size: of the run's training.

    Returns:
        Twelve digits of the evaluation id.

    Raises:
        UserError: another process is at work on the run.
    """
    with only_writer(directory):
        record = directory.read()
        identifier = retest_id(record, test, trained)
        name = short(identifier)
        if name in record["evaluations"] and directory.evaluation(name) is not None:
            return name
        with using(trained.component, innocent=is_out_of_memory):
            metrics, predictions = _tested(directory, record, trained, test, batch_size)
        metrics = {"evaluation_id": identifier, "training_id": record["identity"]["training_id"], **metrics}
        directory.write_evaluation(name, metrics, predictions)
        written = directory.evaluation(name)
        assert written is not None
        kept = {key: written[key] for key in ("split", "rows_digest", "options", STORED, "n", "metrics", "per_class")}
        kept |= {key: written[key] for key in ("data", "left_out", "excluded", "seen")}
        record["evaluations"][name] = {"id": identifier, **kept}
        directory.write(record)
        return name


def _tested(
    directory: RunDirectory, record: dict[str, Any], trained: TrainedModel, test: Retest, batch_size: int
) -> tuple[dict[str, Any], Predictions]:
    started = time.perf_counter()
    pack, rows, mapping = test.pack, test.rows.rows, test.mapping
    affect = None if pack.affect is None else np.asarray(pack.affect[rows], dtype=np.float32)
    # Losses are not asked for, so that the model's own class ids are needed nowhere else.
    truth = Truth(mapping.columns[test.rows.labels], None, affect)
    evaluation = evaluate(
        trained.model,
        Batches(pack.images, rows, truth, trained.shape, trained.device),
        len(trained.task.class_names),
        None,
        evaluation_batch(batch_size, trained.device),
        VIEWS[test.options.tta],
    )
    seconds = round(time.perf_counter() - started, 3)
    predictions = Predictions(
        ids=np.asarray(pack.ids[rows]),
        truth=test.rows.labels,
        probabilities=np.ascontiguousarray(evaluation.probabilities[:, mapping.columns]),
        affect_truth=affect,
        affect=evaluation.affect,
        columns=pack.facts(rows),
    )
    scores = scores_record(
        predictions.truth,
        predictions.probabilities,
        mapping.class_names,
        affect_truth=affect,
        affect=evaluation.affect,
        over=range(mapping.scored),
    )
    stored = stored_as(pack, rows)
    told = told_apart(record, test.part, test.rows.digest, stored, pack)
    data = {
        "dataset": pack.dataset,
        "synthetic": test.synthetic,
        "protocol": test.rows.protocol,
        "class_names": list(mapping.class_names[: mapping.scored]),
        "only_model": list(mapping.only_model),
        "pack": pack.digest,
        **({} if pack.form is None else pack.form.record()),
        "skipped_faulty": pack.skipped,
    }
    metrics = {
        "split": test.part,
        "rows_digest": test.rows.digest,
        "dataset": pack.dataset,
        "synthetic": test.synthetic,
        "protocol": test.rows.protocol,
        "options": {**test.options.model_dump(mode="json"), **told},
        STORED: stored,
        "data": data,
        "left_out": test.rows.left_out,
        "excluded": test.rows.excluded,
        "seen": _seen(directory, record, test),
        "plugin_changed": trained.changed,
        **scores,
        "finished": now(),
        "seconds": seconds,
    }
    return metrics, predictions


def _seen(directory: RunDirectory, record: dict[str, Any], test: Retest) -> dict[str, Any]:
    """What the run has seen of the samples before."""
    tested = Samples.of(test.pack, test.rows.rows)
    home = test.part == "test" and same_protocol(record["data"], test.pack.dataset, test.rows.protocol)
    return seen(read_samples(directory), tested, home=home)
