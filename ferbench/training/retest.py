"""The weights of a finished run tested on other samples, or in another way, without training."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.reference.known import reference_of
from ferbench.data.batches import Batches, Truth
from ferbench.data.class_mapping import ClassMapping
from ferbench.data.pack import Pack
from ferbench.data.splits import Rows
from ferbench.data.tested_rows import TestedRows
from ferbench.data.views import VIEWS
from ferbench.data.votes import class_shares
from ferbench.errors import UserError, is_out_of_memory
from ferbench.experiment.fingerprint import fields_with_role
from ferbench.experiment.postprocessing import Postprocessing, identity_of
from ferbench.experiment.recipe import EvaluationSettings, Role
from ferbench.experiment.resolve import ChosenComponent
from ferbench.ids import short
from ferbench.plugin.component import Component
from ferbench.plugin.culprit import using
from ferbench.records.evaluation import PROBE, TestedData, evaluation_id
from ferbench.records.run import Run
from ferbench.runs.covered import has_evaluation
from ferbench.runs.directory import RunDirectory
from ferbench.runs.learnt import Samples, read_samples, same_protocol, seen
from ferbench.runs.lock import only_writer
from ferbench.runs.pixels import stored_as
from ferbench.training.evaluation import evaluate, evaluation_batch, predicted
from ferbench.training.evaluation_record import add_metrics, write_evaluation
from ferbench.training.features import features_of
from ferbench.training.neighbours import dependence
from ferbench.training.probe import CANDIDATES, Known, Probe, fitted
from ferbench.training.record import now
from ferbench.training.restore import TrainedModel


@dataclass(frozen=True)
class Fitting:
    """What a classifier on frozen features is fitted on: samples of the pack that is tested on, those of the run.

    Attributes:
        probe: name of the classifier.
        train: int64[n] rows of the pack.
        validation: int64[m] rows, which its number is chosen on.
        labels: int64[N of the pack] class ids of the model, as the run was given them.
    """

    probe: str
    train: Rows
    validation: Rows
    labels: NDArray[np.int64]


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
        postprocessing: what is then done to the predictions; None: nothing.
        metrics: of plugins, that are computed too.
        fitting: what a probe is fitted on, which then predicts in the model's place; None: the model predicts.
    """

    pack: Pack
    part: str
    rows: TestedRows
    mapping: ClassMapping
    synthetic: bool
    options: EvaluationSettings
    postprocessing: ChosenComponent | None = None
    metrics: tuple[Component, ...] = ()
    fitting: Fitting | None = None

    @property
    def votes(self) -> NDArray[np.float32] | None:
        """float32[n, K] of annotators, as shares by the class ids that results have; None where there are none."""
        return class_shares(self.pack, self.rows.rows, self.mapping.class_names)


def retest_id(record: Run, test: Retest, trained: TrainedModel) -> str:
    """The evaluation id. It is that of the run's own evaluation where samples, pixels, classes and options agree; what
    a changed plugin makes of the weights has an id of its own, unless the unchanged one has been asked already."""
    options = fields_with_role(test.options, Role.EVALUATION) | identity_of(test.postprocessing)
    if test.fitting is not None:
        options[PROBE] = {"name": test.fitting.probe, "candidates": list(CANDIDATES[test.fitting.probe])}
    mapping = test.mapping
    if mapping.only_model or mapping.unknown:
        options["scored"] = sorted(mapping.class_names[: mapping.scored])
    training, rows = record.identity.training_id, test.rows.digest
    stored = stored_as(test.pack, test.rows.rows)
    identifier = evaluation_id(training, rows, options, None if stored is None else stored.digest)
    older = evaluation_id(training, rows, options)
    held = record.evaluations.get(short(older))
    if held is not None and "stored" not in held.model_fields_set:
        # Older releases gave this id to any size and fit; which ones those were, only the pack can tell.
        if (held.data or record.data).pack == test.pack.digest:
            return older
        if stored is None:
            identifier = evaluation_id(training, rows, options, test.pack.digest)
    if trained.changed and short(identifier) not in record.evaluations:
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
        record = directory.load()
        identifier = retest_id(record, test, trained)
        name = short(identifier)
        if not has_evaluation(directory, record, name):
            with using(trained.component, innocent=is_out_of_memory):
                _test(directory, record, identifier, trained, test, batch_size)
            directory.save(record)
        held = record.evaluations[name].plugin_metrics or {}
        if lacking := [metric for metric in test.metrics if metric.name not in held]:
            add_metrics(directory, record, name, lacking, test.votes)
            directory.save(record)
        return name


def _test(
    directory: RunDirectory, record: Run, identifier: str, trained: TrainedModel, test: Retest, batch_size: int
) -> None:
    started = time.perf_counter()
    pack, rows, mapping = test.pack, test.rows.rows, test.mapping
    affect = None if pack.affect is None else np.asarray(pack.affect[rows], dtype=np.float32)
    # Losses are not asked for, so that the model's own class ids are needed nowhere else.
    truth = Truth(mapping.columns[test.rows.labels], None, affect)
    batches, views = Batches(pack.images, rows, truth, trained.shape, trained.device), VIEWS[test.options.tta]
    size = evaluation_batch(batch_size, trained.device)
    probe = None
    if test.fitting is None:
        result = evaluate(trained.model, batches, len(trained.task.class_names), None, size, views)
        spoilt = dependence(trained.model, batches, result.probabilities, views)
    else:
        looked = features_of(trained.model, batches, size, views)
        spoilt = dependence(trained.model, batches, looked.probabilities, views)
        fit = fitted_probe(trained, test, test.fitting, size)
        result, probe = predicted(fit(looked.features), truth.labels), fit.used
    used = None
    if test.postprocessing is not None:
        processing = Postprocessing(test.postprocessing, trained.task)
        if processing.fits:
            processing.fit(*validation_predictions(directory, record, test.options))
        result, used = result.processed(processing), processing.record()
    data = TestedData(
        dataset=pack.dataset,
        synthetic=test.synthetic,
        protocol=test.rows.protocol,
        class_names=list(mapping.class_names[: mapping.scored]),
        only_model=list(mapping.only_model),
        pack=pack.digest,
        skipped_faulty=pack.skipped,
        **({} if pack.form is None else pack.form.record()),
    )
    if (reference := reference_of(pack)) is not None:
        data.reference = reference
    home = test.part == "test" and same_protocol(record.data, pack.dataset, test.rows.protocol)
    write_evaluation(
        directory,
        record,
        pack,
        rows,
        # In the class ids that results have.
        replace(
            result,
            truth=test.rows.labels,
            probabilities=np.ascontiguousarray(result.probabilities[:, mapping.columns]),
        ),
        mapping.class_names,
        started,
        test.options,
        over=range(mapping.scored),
        evaluation_id=identifier,
        split=test.part,
        rows_digest=test.rows.digest,
        protocol=test.rows.protocol,
        synthetic=test.synthetic,
        excluded=test.rows.excluded,
        data=data,
        left_out=test.rows.left_out,
        seen=seen(read_samples(directory), Samples.of(pack, rows), home=home),
        plugin_changed=trained.changed,
        finished=now(),
        contaminated=spoilt,
        postprocessing=used,
        probe=probe,
        metrics=test.metrics,
        votes=test.votes,
    )


def fitted_probe(trained: TrainedModel, test: Retest, fitting: Fitting, batch_size: int) -> Probe:
    """The probe that a retest asks for, fitted on features of the run's samples."""

    def known(rows: Rows) -> Known:
        labels = fitting.labels[rows]
        batches = Batches(test.pack.images, rows, Truth(labels), trained.shape, trained.device)
        return Known(features_of(trained.model, batches, batch_size, VIEWS[test.options.tta]).features, labels)

    return fitted(fitting.probe, known(fitting.train), known(fitting.validation), len(trained.task.class_names))


def validation_predictions(
    directory: RunDirectory, record: Run, options: EvaluationSettings
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What post-processing is fitted on: the probabilities float32[n, K] that a run has recorded of its validation,
    looked at in the same way and with nothing done to them, and true class ids int64[n].

    Raises:
        UserError: it has none.
    """
    wanted = options.model_dump(mode="json", exclude={"metrics"})
    for name, entry in record.evaluations.items():
        if (entry.split, entry.rows_digest) != ("validation", record.data.validation_digest):
            continue
        if entry.options == wanted:
            predictions, stored = directory.tested(name)
            if stored is None or stored.class_names == record.data.class_names:
                return predictions.probabilities, predictions.truth
    run, tta = directory.path.name, options.tta
    how = f" with evaluation.tta = {tta}" if tta != "none" else ""
    more = f" --set evaluation.tta={tta}" if tta != "none" else ""
    raise UserError(
        f"run {run} has no validation predictions{how} that post-processing could be fitted on",
        f"make them first: ferbench evaluate {run} --split validation{more}",
    )
