"""The weights of a finished run on another dataset, another split, or with test-time options."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, get_args

from ferbench.api.components import plain
from ferbench.api.given import checked
from ferbench.api.html import preformatted
from ferbench.api.places import Places, cache_directory, data_places, warn_of_missing
from ferbench.api.results import Run, load_run
from ferbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from ferbench.data.fit import StoredForm
    from ferbench.data.pack import Pack
    from ferbench.data.tested_rows import Part
    from ferbench.experiment.resolve import ResolvedRecipe
    from ferbench.plugin.discovery import Registry
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Run as RunRecord
    from ferbench.training.restore import TrainedModel
    from ferbench.training.retest import Fitting, Retest

#: What the run's record says, or what has no meaning without training.
_OF_TRAINING = ("image_size", "channels", "num_classes")
#: Classifiers on frozen features.
PROBES = ("knn", "linear")
_SECTIONS = ("dataset", "data", "evaluation", "postprocessing", "runtime")


@dataclass(frozen=True)
class EvaluationResult:
    """What finished weights were tested on, and how well they did; the run keeps it among its evaluations.

    Attributes:
        run: whose weights they are.
        id: twelve digits of the evaluation id, by which ``run.predictions(id)`` gives it too.
        reused: it was there already.
        test: the data, the rows of it, and how its classes and the model's were matched.
    """

    run: Run
    id: str
    reused: bool
    test: Retest

    @property
    def record(self) -> EvaluationEntry:
        """What ``run.json`` says of it, typed: see the reference of the run directory."""
        return self.run.record.evaluations[self.id]

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metrics by name."""
        return self.run.metrics(self.id)

    @property
    def per_class(self) -> pd.DataFrame:
        """Precision, recall, F1 and support of each class; one row a class."""
        from ferbench.runs import frame

        return frame.classes(self.record).set_index("class")

    def predictions(self) -> pd.DataFrame:
        """One row a sample, as `Run.predictions`."""
        return self.run.predictions(self.id)

    def confusion(self) -> pd.DataFrame:
        """Samples by true class (rows) and predicted class (columns)."""
        return self.run.confusion(self.id)

    def document(self) -> dict[str, Any]:
        """As plain values: what ``ferbench evaluate --json`` prints, less the slices."""
        about = {"run": self.run.id, "name": self.run.record.name, "evaluation": self.id, "reused": self.reused}
        return {**about, "trained_on": self.run.record.data.dataset, **self.record.plain()}

    def __repr__(self) -> str:
        tested = f"{self.test.pack.dataset} ({self.test.part}), n = {self.record.n:,}"
        return f"<EvaluationResult {self.id} of run {self.run.id}: {tested}, macro_f1 {self.metrics['macro_f1']:.4f}>"

    def _repr_html_(self) -> str:
        return f"{preformatted(repr(self))}{self.per_class.to_html()}"


@dataclass(frozen=True)
class Means:
    """What an evaluation is made with.

    Attributes:
        registry: the plugins.
        pack: gives the pack of a recipe's dataset, in the form that the function beside it makes of what the dataset
            asks for.
        warn: is told of what may make a difference.
    """

    registry: Registry
    pack: Callable[[ResolvedRecipe, Callable[[StoredForm], StoredForm] | None], Pack]
    warn: Callable[[str], None]


@checked
def evaluate(
    run: Run | str | PathLike[str],
    *,
    dataset: str | None = None,
    data: Places = None,
    split: Part = "test",
    postprocessing: str | None = None,
    probe: Literal["knn", "linear"] | None = None,
    settings: Mapping[str, Any] | None = None,
    strict: bool = False,
    skip_faulty: bool = False,
    results: str | PathLike[str] = "results",
    cache: str | PathLike[str] | None = None,
    plugins: Sequence[str | PathLike[str]] = (),
    means: Means | None = None,
) -> EvaluationResult:
    """Test the weights of a finished run without training.

    Without ``dataset`` it is tested on the dataset and with the settings that it was trained with, as far as
    ``settings`` do not say otherwise. Classes are matched by name. The result joins the run's other evaluations; what
    was evaluated before is not computed again.

    Args:
        run: a run, its name, the first digits of its id, or its directory.
        dataset: to test on, several joined with ``+``; None: the run's own.
        data: where its files are; of several datasets by name.
        split: ``test``, ``validation``, ``train``, or ``all``: every sample, whatever its part.
        postprocessing: what is done to the predictions; where that is fitted, it is on those that the run has recorded
            of its validation. None: nothing, whatever the run's recipe says.
        probe: a classifier on the features that the frozen model gives, fitted on the run's training samples and tested
            in the model's place: ``knn`` (nearest neighbours by cosine, 1 to 200 of them) or ``linear`` (logistic
            regression, C from 1e-5 to 1), with the number of the highest macro-F1 on validation.
        settings: fields of ``dataset``, ``data``, ``evaluation``, ``postprocessing`` and ``runtime`` by dotted key:
            ``{"evaluation.tta": "flip"}``.
        strict: refuse a dataset with samples of classes that the model does not know.
        skip_faulty: leave faulty samples out, and record how many.
        results: where a run that is named is looked for.
        cache: where packed datasets are kept; None: the user's cache.
        plugins: local plugins, as ``--plugin``; those of a notebook are found.
        means: what it is made with, in place of ``cache`` and ``plugins``.

    Raises:
        UserError: there is no such run or part, a setting has no say in an evaluation, the data cannot be read, or
            another process is at work on the run.
    """
    from ferbench.data.tested_rows import Part
    from ferbench.experiment.dataset_pack import build_dataset
    from ferbench.experiment.settings import suggestion
    from ferbench.ids import short
    from ferbench.runs.saved import refuse_without_weights

    if split not in get_args(Part):
        raise UserError(f"split='{split}' is no part", suggestion(str(split), get_args(Part), "parts"))
    if probe is not None and probe not in PROBES:
        raise UserError(f"probe='{probe}' is no probe", suggestion(str(probe), PROBES, "probes"))
    found = run if isinstance(run, Run) else load_run(run, results)
    directory = found.directory
    record = directory.load()
    means = means or _quiet_means(found, record, cache, plugins)
    if probe is not None:
        _refuse_probe(found.id, record, means, dataset, postprocessing)
    refuse_without_weights(directory, record)
    values = {key: plain(value) for key, value in (settings or {}).items()}
    if postprocessing is not None:
        values["postprocessing.name"] = postprocessing
    own = None
    if probe is not None:
        silent = replace(means, warn=lambda line: None)
        own = _resolved(found.id, record, silent, None, data_places(data), {}, skip_faulty, "train")
    resolved = _resolved(found.id, record, means, dataset, data_places(data), values, skip_faulty, split)
    build_dataset(resolved.components["dataset"], resolved.recipe.data)  # refused before torch is imported
    from ferbench.training.restore import restore
    from ferbench.training.retest import retest, retest_id
    from ferbench.training.runtime import choose_device, prepare

    runtime = resolved.recipe.runtime
    device = choose_device(runtime.device)
    prepare(device, runtime.threads, deterministic=True)
    trained = restore(directory, means.registry, device)
    for warning in trained.warnings:
        means.warn(f"{warning}; results may differ")
    test = _test(record, resolved, split, means, trained, own=dataset is None, strict=strict)
    if own is not None:
        test = replace(test, fitting=_fitting(found.id, record, own, test, str(probe)))
    there = short(retest_id(record, test, trained)) in record.evaluations
    assert record.training is not None
    name = retest(directory, trained, test, record.training.batch_size or 1)
    return EvaluationResult(Run(found.path), name, there, test)


def _refuse_probe(run: str, record: RunRecord, means: Means, dataset: str | None, postprocessing: str | None) -> None:
    """For what no probe can be fitted on, as far as that is known before torch is imported.

    Raises:
        UserError: it is fitted on nothing else than the run's samples, or the run's model gives no features.
    """
    from ferbench.experiment.trained import recorded_component
    from ferbench.plugin.specs import ModelSpec

    if dataset is not None:
        raise UserError(
            "a probe is fitted on the run's own samples, and tested on others of the same dataset",
            "leave out the dataset, or train on both: --dataset A+B",
        )
    if postprocessing is not None:
        raise UserError("a probe has no post-processing: its probabilities are its own", "leave one of them out")
    if record.kind != "trained":
        return  # it has no model, which is said of every evaluation
    spec = recorded_component(means.registry, "model", record.components["model"], run).component.spec
    if not isinstance(spec, ModelSpec) or "features" not in spec.gives:
        raise UserError(
            f"run {run} has a model that gives no features: {record.components['model'].name}",
            "choose a run whose model gives features; 'ferbench plugins show MODEL' says so",
        )


def _fitting(run: str, record: RunRecord, own: ResolvedRecipe, test: Retest, probe: str) -> Fitting:
    """The run's own training and validation samples in the pack that is tested on.

    Raises:
        UserError: they are not there, or other ones.
    """
    from ferbench.data.splits import cut
    from ferbench.experiment.plan import split_request
    from ferbench.plugin.specs import DatasetSpec
    from ferbench.training.retest import Fitting

    spec = own.components["dataset"].component.spec
    assert isinstance(spec, DatasetSpec)
    split = cut(test.pack, spec.protocols, split_request(own.recipe.data))
    data = record.data
    if (split.train_digest, split.validation_digest) != (data.train_digest, data.validation_digest):
        raise UserError(
            f"the data is not what run {run} was trained on, so that no probe can be fitted on its samples",
            "say where the files are that it was trained on: --data DIR",
        )
    return Fitting(probe, split.train, split.validation, split.labels)


def _quiet_means(
    run: Run, record: RunRecord, cache: str | PathLike[str] | None, plugins: Sequence[str | PathLike[str]]
) -> Means:
    """Shows nothing, and finds the plugins that were made of a notebook's classes."""
    import os
    import warnings

    from ferbench.api.notebook import FOLDER, plugins_in
    from ferbench.experiment.dataset_pack import dataset_pack
    from ferbench.plugin.discovery import load_registry

    own = plugins_in(run.results / FOLDER, record.distributions)

    def pack(resolved: ResolvedRecipe, form: Callable[[StoredForm], StoredForm] | None) -> Pack:
        data = resolved.recipe.data
        step = resolved.components.get("preprocessing")
        made = dataset_pack(resolved.components["dataset"], data, cache_directory(cache), form=form, preprocessing=step)
        warn_of_missing(data.exclude, made)
        return made

    registry = load_registry([*(os.fspath(plugin) for plugin in plugins), *map(str, own)])
    return Means(registry, pack, lambda line: warnings.warn(line, stacklevel=5))


def _resolved(
    run: str,
    record: RunRecord,
    means: Means,
    dataset: str | None,
    places: Sequence[str],
    values: Mapping[str, Any],
    skip_faulty: bool,
    part: Part,
) -> ResolvedRecipe:
    """The dataset and options as a recipe; its other components are defaults that nobody asks for."""
    from ferbench.experiment.recorded import flags_for, left_out_line, remember_said, taken
    from ferbench.experiment.request import Flags
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import suggestion

    for key in values:
        section, _, field = key.partition(".")
        if section not in _SECTIONS:
            remedy = suggestion(section, _SECTIONS, "sections")
            raise UserError(f"{key}: [{section}] has no say in an evaluation", remedy)
        if section == "data" and field in _OF_TRAINING:
            raise UserError(f"{key}: the run's record says what its model expects", "leave it out")
        if (section, field) == ("runtime", "devices"):
            raise UserError(f"{key}: an evaluation of finished weights uses one device", "leave it out")
    base: dict[str, Any] = {}
    chosen = {"dataset": [] if dataset is None else [dataset]}
    flags = Flags(chosen, places, values=values, skip_faulty=skip_faulty)
    if dataset is None:
        recorded, left = taken(record, means.registry, flags.keys)
        base["dataset"] = recorded["dataset"]
        base["data"] = {key: value for key, value in recorded["data"].items() if key not in _OF_TRAINING}
        left = [one for one in left if one.path[0] in base]
        if left:
            means.warn(left_out_line(run, left, f"add {shlex.join(flags_for(left, record))}"))
        for key in ("fold", *(("test_fold",) if part == "all" else ())) if part in ("test", "all") else ():
            base["data"].pop(key, None)
    (asked,) = flags.over(base)
    resolved = resolve(asked, means.registry)
    remember_said(asked, means.registry)
    return resolved


def _as_trained(own: StoredForm, trained: StoredForm, given: Mapping[str, Any]) -> StoredForm:
    """What a pack makes of another dataset's images: what it made of the training images, unless options say otherwise.

    Args:
        own: what the other dataset asks for.
        trained: what was made of the training images.
        given: the options of the other dataset that the user gave.
    """
    asked = {*given, *(key for member in given.values() if isinstance(member, dict) for key in member)}
    kept = own if "color" in asked else replace(own, channels=trained.channels)
    if trained.size is None:
        return kept
    if "size" not in asked:
        kept = replace(kept, size=trained.size, follows=kept.follows and kept.size == trained.size)
    return kept if "fit" in asked else replace(kept, fit=trained.fit, follows=kept.follows and trained.fit == kept.fit)


def _test(
    record: RunRecord,
    resolved: ResolvedRecipe,
    part: Part,
    means: Means,
    trained: TrainedModel,
    *,
    own: bool,
    strict: bool,
) -> Retest:
    """What is tested on; ``own``: the dataset that the run was trained on."""
    from ferbench.data.class_mapping import match_classes
    from ferbench.data.splits import protocol_name
    from ferbench.data.tested_rows import asked_classes, choose_rows
    from ferbench.experiment.plan import split_request
    from ferbench.plugin.specs import DatasetSpec
    from ferbench.runs.learnt import same_protocol
    from ferbench.runs.remarks import counted
    from ferbench.training.retest import Retest

    spec = resolved.components["dataset"].component.spec
    assert isinstance(spec, DatasetSpec)
    given = resolved.recipe.components["dataset"].options
    form = None if own or trained.doubt else lambda other: _as_trained(other, trained.form, given)
    if trained.preprocessing is not None:
        resolved = replace(resolved, components={**resolved.components, "preprocessing": trained.preprocessing.chosen})
    pack = means.pack(resolved, form)
    request = split_request(resolved.recipe.data)
    mapping = match_classes(record.data.class_names, asked_classes(pack, request))
    protocol = protocol_name(pack, spec.protocols, request)
    home = same_protocol(record.data, pack.dataset, protocol)
    rows = choose_rows(pack, spec.protocols, request, part, mapping, home=home)
    if strict and rows.left_out:
        raise UserError(
            f"'{pack.dataset}' has {sum(rows.left_out.values()):,} samples of classes that the model does not know: "
            f"{counted(rows.left_out)}",
            "leave out --strict to test without them, or choose classes with --set data.classes",
        )
    processing = resolved.components.get("postprocessing")
    metrics = tuple(metric.component for metric in resolved.metrics)
    return Retest(pack, part, rows, mapping, spec.synthetic, resolved.recipe.evaluation, processing, metrics)
