"""A resolved recipe on packed data: split, task and ids. Everything about a run that is known before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.data.digests import stored_digest
from ferbench.data.order import Lengths
from ferbench.data.pack import Pack
from ferbench.data.splits import Rows, Split, SplitRequest, cut
from ferbench.errors import UserError
from ferbench.experiment.estimators import is_estimator
from ferbench.experiment.fingerprint import (
    config_id,
    fields_with_role,
    training_id,
    training_identity,
)
from ferbench.experiment.postprocessing import Postprocessing, identity_of
from ferbench.experiment.recipe import DataSettings, Role
from ferbench.experiment.resolve import ChosenComponent, ResolvedRecipe
from ferbench.experiment.sampling import check_fixed_draws, planned_lengths
from ferbench.experiment.start import Start
from ferbench.experiment.teacher import Teacher, check_lesson, names_run
from ferbench.ids import digest, short
from ferbench.metrics.measures import AFFECT_METRICS, is_selectable, selectable
from ferbench.plugin.component import Component
from ferbench.plugin.measuring import check_needs
from ferbench.plugin.partners import ViewKind, needed, views_of
from ferbench.plugin.specs import DatasetSpec, LossSpec, ModelSpec, OptimizerSpec, SamplerSpec
from ferbench.records.evaluation import EvaluationEntry, evaluation_id
from ferbench.runs.covered import has_evaluation
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.saved import is_trained
from ferbench.task import Task


@dataclass(frozen=True)
class Plan:
    """One run, ready to start.

    Attributes:
        resolved: the recipe with its components.
        pack: the data.
        split: its rows by role.
        task: what components are built for.
        identity: everything that ``training_id`` covers.
        training_id: id of the weights.
        config_id: id of the configuration that seeds repeat.
        lengths: how long the sampler's epochs are.
        reads_test: whether it is tested at the end; a search only looks at validation.
        start: the weights that it starts from; None: those that the model's builder gives.
        teacher: the run that teaches it; None: none does.
    """

    resolved: ResolvedRecipe
    pack: Pack
    split: Split
    task: Task
    identity: dict[str, Any]
    training_id: str
    config_id: str
    lengths: Lengths
    start: Start | None = None
    reads_test: bool = True
    teacher: Teacher | None = None

    @property
    def dataset_spec(self) -> DatasetSpec:
        spec = self.resolved.components["dataset"].component.spec
        assert isinstance(spec, DatasetSpec)
        return spec

    @property
    def model_spec(self) -> ModelSpec:
        spec = self.resolved.components["model"].component.spec
        assert isinstance(spec, ModelSpec)
        return spec

    @property
    def fits_at_once(self) -> bool:
        """Whether the model is an estimator."""
        return is_estimator(self.resolved.components["model"].component)

    @property
    def loss_spec(self) -> LossSpec:
        spec = self.resolved.components["loss"].component.spec
        assert isinstance(spec, LossSpec)
        return spec

    @property
    def sampler_spec(self) -> SamplerSpec:
        spec = self.resolved.components["sampler"].component.spec
        assert isinstance(spec, SamplerSpec)
        return spec

    @property
    def needs(self) -> tuple[str, ...]:
        """What the loss reads of the model's outputs beside logits and affect; an estimator has no loss."""
        return () if self.fits_at_once else needed(self.loss_spec)

    @property
    def views(self) -> tuple[ViewKind, ...]:
        """Of each training sample."""
        return views_of(self.loss_spec, self.model_spec)

    @property
    def closure(self) -> bool:
        """Whether the optimiser computes gradients itself, by a closure."""
        spec = self.resolved.components["optimizer"].component.spec
        assert isinstance(spec, OptimizerSpec)
        return spec.closure

    def postprocessing(self, role: str) -> ChosenComponent | None:
        """What is done to the predictions for "validation" or "test"; validation is left as it is, since that is what
        others are chosen and fitted by, unless it takes the place of the test, as for a fold."""
        tested = role == "test" or self.split.test_digest is None
        return self.resolved.components.get("postprocessing") if tested else None

    def directory(self, results: Path) -> RunDirectory:
        """Where the run lives."""
        return RunDirectory(run_path(results, short(self.training_id)))

    def is_complete(self, results: Path) -> bool:
        """Whether the run is done in ``results`` and every evaluation that is asked for is there."""
        directory = self.directory(results)
        if not is_trained(directory):
            return False
        record = directory.load()
        names = [short(self.evaluation_id(role)) for role in self.evaluation_rows()]
        return record.identity.training_id == self.training_id and all(
            has_evaluation(directory, record, name) and not self.lacking_metrics(record.evaluations[name])
            for name in names
        )

    def lacking_metrics(self, entry: EvaluationEntry) -> list[Component]:
        """Metrics of plugins that are asked for and that an evaluation does not speak of."""
        metrics = [metric.component for metric in self.resolved.metrics]
        return [metric for metric in metrics if metric.name not in (entry.plugin_metrics or {})]

    def evaluation_rows(self) -> dict[str, tuple[Rows, str]]:
        """Rows and rows digest of what is evaluated at the end: validation, and test unless for a fold or a trial."""
        rows = {"validation": (self.split.validation, self.split.validation_digest)}
        if self.reads_test and self.split.test_digest is not None:
            rows["test"] = (self.split.test, self.split.test_digest)
        return rows

    def evaluation_id(self, role: str) -> str:
        """Id of the predictions for "validation" or "test"."""
        options = fields_with_role(self.resolved.recipe.evaluation, Role.EVALUATION)
        options |= identity_of(self.postprocessing(role))
        rows, rows_digest = self.evaluation_rows()[role]
        return evaluation_id(self.training_id, rows_digest, options, stored_digest(self.pack, rows))


def split_request(data: DataSettings) -> SplitRequest:
    """How a recipe wants its dataset split."""
    return SplitRequest(**data.model_dump(include=set(SplitRequest.__dataclass_fields__)))


def plan(resolved: ResolvedRecipe, pack: Pack, start: Start | None = None, teacher: Teacher | None = None) -> Plan:
    """Cut the split and compute the ids.

    Args:
        resolved: what is asked for.
        pack: the data.
        start: the weights that the recipe's ``from`` names.
        teacher: the run that its ``training.teacher`` names.

    Raises:
        UserError: the data cannot serve the recipe (protocol, classes, limits), ``training.select`` names no metric,
            the weights to start from know other classes, or the teacher does, or was trained on other images.
    """
    recipe = resolved.recipe
    if recipe.start is not None and start is None:
        raise UserError(f"from = '{recipe.start}' has no say here", "leave it out, or give it to 'ferbench run'")
    who = recipe.training.teacher
    if names_run(who) and teacher is None:
        raise UserError(f"training.teacher = '{who}' has no say here", "leave it out, or give it to 'ferbench run'")
    dataset_spec = resolved.components["dataset"].component.spec
    model_spec = resolved.components["model"].component.spec
    assert isinstance(dataset_spec, DatasetSpec)
    assert isinstance(model_spec, ModelSpec)
    split = cut(pack, dataset_spec.protocols, split_request(recipe.data))
    affect = pack.affect is not None and resolved.predicts_affect
    check_selection(recipe.training.select, split.class_names, affect)
    for metric in resolved.deciding:
        voted = pack.votes is not None or pack.cast_votes is not None
        check_needs(metric.component, votes=voted, affect=affect, subjects=pack.subject is not None)
    if start is not None:
        check_classes(start, split.class_names)
    size = recipe.data.image_size or model_spec.image_size
    counts = np.bincount(split.labels[split.train], minlength=len(split.class_names))
    task = Task(
        class_names=split.class_names,
        channels=recipe.data.channels or model_spec.channels,
        height=size,
        width=size,
        train_counts=tuple(int(n) for n in counts),
        has_affect=pack.affect is not None,
    )
    _check_postprocessing(resolved, task, len(split.validation), fold=split.test_digest is None)
    if teacher is not None:
        step = resolved.components.get("preprocessing")
        check_lesson(teacher, task, pack, min(size, recipe.training.start_size or size), step)
    labels = split.labels[split.train]
    if is_estimator(resolved.components["model"].component):
        check_fixed_draws(resolved, labels, task)
    lengths = planned_lengths(resolved, labels, task)
    rows = {
        "classes": list(split.class_names),
        "train": split.train_digest,
        "validation": split.validation_digest,
        "input": [task.channels, task.height, task.width, *map(list, normalization(model_spec, task.channels))],
    }
    # Of all together, which the folds of one partition share.
    shared = [split.train, split.validation, *([split.test] if split.tested is not None else [])]
    stored = stored_digest(pack, np.unique(np.concatenate(shared)))
    if stored is not None:
        rows["stored"] = stored
    if (tested := split.tested) is not None:
        rows["test_fold"] = [f"{tested.place}/{tested.of}", tested.digest, tested.samples]
    identity = training_identity(
        recipe,
        resolved.identify(),
        rows,
        None if start is None else start.identity(),
        teacher=who if teacher is None else teacher.weights.identity(),
        last_joins=recipe.training.epochs > 0 and lengths.joins(recipe.training.batch_size),
        metrics=resolved.identify_metrics(),
    )
    configuration = config_id(
        identity,
        None if start is None else start.configuration(),
        None if teacher is None else teacher.weights.configuration(),
    )
    ids = identity, training_id(identity), configuration
    return Plan(resolved, pack, split, task, *ids, lengths, start=start, teacher=teacher)


def _check_postprocessing(resolved: ResolvedRecipe, task: Task, validation: int, *, fold: bool) -> None:
    """Look whether what is to be done to predictions can be done, before the training, on made-up ones.

    Raises:
        UserError: its options do not fit the task, it would be fitted on what it is tested on, or it gives what no
            evaluation can take.
    """
    chosen = resolved.components.get("postprocessing")
    if chosen is None:
        return
    processing = Postprocessing(chosen, task)
    if processing.fits and fold:
        raise UserError(
            f"{chosen.component.where} is fitted on validation samples, which are what a fold is tested on",
            "leave it out for folds; or test each fold's run on other samples: ferbench evaluate RUN --postprocessing",
        )
    processing.try_out(validation)


def check_classes(start: Start, class_names: tuple[str, ...]) -> None:
    """Refuse weights whose outputs stand for other classes than the data has, or in another order.

    Raises:
        UserError: naming both lists.
    """
    if start.class_names == class_names:
        return
    theirs, ours = ", ".join(start.class_names), ", ".join(class_names)
    if sorted(start.class_names) == sorted(class_names):
        raise UserError(
            f"{start.label} has its classes in another order: {theirs}; here they are {ours}",
            f"give them in that order: --set data.classes=[{','.join(start.class_names)}]",
        )
    raise UserError(
        f"{start.label} knows other classes: {theirs}; here they are {ours}",
        f"choose its classes with data.classes; or, for a new head, start from the file "
        f"--set model.weights={start.directory.checkpoints / 'best.safetensors'} instead of --from",
    )


def normalization(spec: ModelSpec, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of a model's input; averaged where it has fewer or more channels than the spec's."""

    def fitted(values: tuple[float, ...]) -> tuple[float, ...]:
        return values if len(values) in (1, channels) else (sum(values) / len(values),) * channels

    return fitted(spec.mean), fitted(spec.std)


def check_metric(metric: str, field: str = "training.select") -> None:
    """Refuse a selection metric that does not exist, whatever the data.

    Raises:
        UserError: naming the metrics there are.
    """
    if not is_selectable(metric):
        raise UserError(
            f"{field} = '{metric}' is no metric", f"choose {', '.join(selectable())}, f1:CLASS or recall:CLASS"
        )


def check_selection(
    metric: str, class_names: tuple[str, ...], has_affect: bool, field: str = "training.select"
) -> None:
    """Refuse a selection metric that does not exist, or of valence and arousal where they are not predicted.

    ``field`` is what messages call the place where it was given.

    Raises:
        UserError: naming the metrics there are.
    """
    check_metric(metric, field)
    _, colon, class_name = metric.partition(":")
    if colon and class_name not in class_names:
        raise UserError(
            f"{field} = '{metric}': there is no class '{class_name}'", f"choose among: {', '.join(class_names)}"
        )
    if metric in AFFECT_METRICS and not has_affect:
        raise UserError(
            f"{field} = '{metric}' needs a dataset with valence and arousal, and a model that predicts them",
            "select by a metric of the classes, such as macro_f1, or choose such a dataset and model",
        )


def single_update(plan: Plan) -> str | None:
    """A warning where a batch is larger than an epoch; None: it is not."""
    training = plan.resolved.recipe.training
    size, drawn = training.batch_size * training.accumulate, max(plan.lengths.samples)
    if not training.epochs or size <= drawn or plan.lengths.steps_per_epoch(training.accumulate) > 1:
        return None
    asked = "training.batch_size" if training.accumulate == 1 else "training.batch_size × training.accumulate"
    return (
        f"warning: {asked} = {size:,}, but an epoch has {drawn:,} training samples: each epoch is a single update; "
        "use a smaller batch for more"
    )


def lone_samples(plan: Plan) -> str | None:
    """A warning of classes with no more than one training sample; None: there is none."""
    counts = plan.split.counts(plan.split.train)
    few = [f"{name} ({n})" for name, n in counts.items() if n < 2]
    if not few or not plan.resolved.recipe.training.epochs:
        return None
    return (
        f"warning: there is no more than one training sample of {', '.join(few)}: nothing can be learnt of it, and "
        "macro-F1 counts it like any other class; get more images, or leave it out with data.classes"
    )


def dataset_key(resolved: ResolvedRecipe) -> str:
    """Two recipes with one key read the same pack."""
    chosen = resolved.components["dataset"]
    data = resolved.recipe.data
    where = {"path": data.path, "paths": data.paths}
    step = resolved.components.get("preprocessing")
    prepared = {} if step is None else {"preprocessing": step.identify()}
    return digest({"dataset": chosen.describe().plain(), **where, "skip_faulty": data.skip_faulty, **prepared})
