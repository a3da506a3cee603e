"""An evaluation: scores over one set of samples, in ``metrics.json`` and in short in ``run.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ferbench.ids import digest
from ferbench.metrics.measures import Measure, remember
from ferbench.records.base import Count, Record, Score, Side, Values, misplaced
from ferbench.records.reference import Reference

#: The option of an evaluation that names what was done to its predictions, and the beginning of those of its options.
POSTPROCESSING = "postprocessing"

#: The option of an evaluation whose predictions are those of a classifier on the model's frozen features.
PROBE = "probe"


def evaluation_id(training: str, rows_digest: str, options: Mapping[str, Any], stored: str | None = None) -> str:
    """The id of predictions: the weights, the samples, and what is done at test time.

    Args:
        training: id of the weights.
        rows_digest: of the samples.
        options: what is done at test time.
        stored: digest of the samples' pixels as they are stored, where they were resampled for that.
    """
    content = {"kind": "evaluation", "training": training, "rows": rows_digest, "options": dict(options)}
    return digest(content if stored is None else {**content, "stored": stored})


class ClassScores(Record):
    """The scores of one class against the rest."""

    precision: Score = None
    """Share of the samples predicted as the class that are of it; 0 where none is predicted."""
    recall: Score = None
    """Share of its samples that are predicted as it; 0 where it has none."""
    f1: Score = None
    """Harmonic mean of both; 0 where both are."""
    support: Count = 0
    """Samples that are of the class."""
    roc_auc: Score = None
    """Area under the ROC curve; null where the class has no sample, or all of them."""
    pr_auc: Score = None
    """Average precision; null where the class has no sample."""


class StoredPixels(Record):
    """Pixels that were resampled for the pack."""

    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    """Height and width in pixels."""
    fit: Literal["stretch", "crop", "pad"] | None = None
    """How images of another shape were fitted."""
    digest: str | None = None
    """Of the stored pixels of the evaluated samples."""


class Overlap(Record):
    """Tested samples that a run had seen before."""

    same: Count
    """Samples with the id and the pixels of one that the run has."""
    copies: Count
    """Samples with the pixels of one that the run has, whatever their ids; ``same`` are among them."""


class Seen(Record):
    """What weights had seen of the samples that they are tested on."""

    train: Overlap | None = None
    """Among what they learnt from; null: not known."""
    validation: Overlap | None = None
    """Among what the epoch was chosen on; null: not known."""
    contaminated: bool | None = None
    """That spoils the test; null: not known."""

    @property
    def copies(self) -> int:
        """Copies of tested samples in train and validation."""
        return sum(part.copies for part in (self.train, self.validation) if part is not None)

    def counted(self, between: str = ", ") -> str:
        """``3 in train, 0 in validation``: copies of tested samples."""
        parts = {"train": self.train, "validation": self.validation}
        return between.join(f"{0 if part is None else part.copies:,} in {split}" for split, part in parts.items())


class UsedPostprocessing(Record):
    """What was done to predictions at test time."""

    name: str
    """Of the component."""
    distribution: str = ""
    """That it came with."""
    version: str = ""
    """Of the distribution."""
    source: str | None = None
    """SHA-256 of the plugin's source; null where it has none to read."""
    options: Values = {}
    """Every option, defaults included."""
    covered: Values | None = None
    """The options as the evaluation id covers them, where that is not as they are: files by their content."""
    fitted: Count | None = None
    """Validation samples that it was fitted on; null for one that is not fitted."""
    state: Values | None = None
    """What was fitted, by name; null for one that is not fitted."""

    def identity(self) -> dict[str, Any]:
        """What the evaluation id covers of it."""
        about = {"name": self.name, "distribution": self.distribution, "version": self.version, "source": self.source}
        return {**about, "options": self.options if self.covered is None else self.covered}

    def as_options(self) -> dict[str, Any]:
        """Its name and options among those of an evaluation."""
        return {POSTPROCESSING: self.name, **{f"{POSTPROCESSING}.{key}": one for key, one in self.options.items()}}

    def __str__(self) -> str:
        """``logit-adjustment (tau 1.0)``, with what was fitted; what is no number is left out."""
        known = {**self.options, **(self.state or {})}
        numbers = [f"{key} {value:.4g}" for key, value in known.items() if type(value) in (int, float)]
        return f"{self.name} ({', '.join(numbers)})" if numbers else self.name


class UsedProbe(Record):
    """A classifier on frozen features of training samples, which made the predictions in the model's place."""

    name: str
    """``knn``: nearest neighbours; ``linear``: logistic regression."""
    candidates: list[float]
    """What ``chosen`` is one of: numbers of neighbours, or C, the inverse of the penalty."""
    chosen: float
    """The one with the highest macro-F1 on validation."""
    value: Score = None
    """That macro-F1."""
    features: Count
    """How many numbers the model gives of a sample."""
    fitted: Count
    """Training samples that it was fitted on."""
    validated: Count
    """Validation samples that ``chosen`` was chosen on."""

    def identity(self) -> dict[str, Any]:
        """What the evaluation id covers of it."""
        return {"name": self.name, "candidates": self.candidates}

    def __str__(self) -> str:
        """``linear (C 0.01), on 1,280 features of 6,400 samples``."""
        what = "k" if self.name == "knn" else "C"
        return f"{self.name} ({what} {self.chosen:g}), on {self.features:,} features of {self.fitted:,} samples"


class TestedData(Record):
    """Other data than a run's own that it was tested on."""

    dataset: str
    """Its name."""
    synthetic: bool
    """The images are generated."""
    protocol: str
    """How it was split."""
    class_names: list[str]
    """The classes that were scored."""
    only_model: list[str] = []
    """Classes that the model knows and the dataset does not."""
    pack: str | None = None
    """Id of the pack that was read."""
    color: str | None = None
    """``gray`` or ``rgb``: how the pack holds images."""
    stored: StoredPixels | None = None
    """Size and fit of the pack's images, where they were resampled."""
    skipped_faulty: Count = 0
    """Faulty samples of the dataset that were left out."""
    reference: Reference | None = None
    """What it is a copy of, and how good a copy; null where that is not known."""


class PluginMetric(Record):
    """What computed a metric that is not ferbench's own, and what it is."""

    distribution: str
    """That the plugin came with."""
    version: str
    """Of the distribution."""
    source: str | None = None
    """SHA-256 of the plugin's source; null where it has none to read."""
    higher_is_better: bool
    """Else lower is."""
    low: float | None = None
    """The least value that it can have; null: there is no such."""
    high: float | None = None
    """The greatest."""
    interval: str = "none"
    """How its uncertainty is found: ``bootstrap`` over samples, or ``none``."""
    fault: str | None = None
    """Why there is no value though the metric was asked for."""


class Annotators(Record):
    """How far the annotators of the tested pictures agree: one of them against the majority of the others."""

    n: Count
    """Pictures that at least two of them have given a class."""
    agreement: float
    """How often one names what most of the others name, as a mean over these pictures; votes for no class are left
    out."""
    margin: float
    """Half of its 95 % interval over pictures."""
    strict: float
    """The same where a vote for no class (unknown, no face) counts as a miss."""
    per_class: dict[str, float]
    """The agreement by the true class of the pictures, for classes that have some."""
    per_class_n: dict[str, Count] | None = None
    """How many pictures that is over, by class; null in records of older versions."""

    def n_of(self, name: str) -> int | None:
        """How many pictures `per_class` is over for a class; None where the record does not say."""
        return None if self.per_class_n is None else self.per_class_n.get(name)

    @property
    def line(self) -> str:
        """It in words."""
        return (
            f"one annotator agrees with the majority of the others on {100 * self.agreement:.1f} % of {self.n:,} of "
            f"these pictures (± {100 * self.margin:.1f}; {100 * self.strict:.1f} % where a vote for no class is a miss)"
        )


class OverFolds(Record):
    """A metric over the folds of a pooled run, each of which is scored alone."""

    mean: float
    """Over folds, each of which counts the same."""
    deviation: float
    """Standard deviation over folds."""
    low: float
    """Of the worst fold."""
    high: float
    """Of the best."""


class EvaluationEntry(Record):
    """An evaluation as ``run.json`` has it, under the first twelve digits of its id."""

    id: str | None = None
    """The evaluation id."""
    split: str
    """``train``, ``validation``, ``test``, or ``all`` samples of a dataset."""
    rows_digest: str
    """Of the content of the samples, which makes two test sets the same."""
    options: Values = {}
    """What was done at test time; ``stored`` is there where the pixels are not those of the run's own evaluation."""
    stored: StoredPixels | None = None
    """The pixels that were read, where they were resampled for the pack."""
    postprocessing: UsedPostprocessing | None = None
    """What was done to the predictions, whose name and options stand among ``options`` too; null: nothing was."""
    probe: UsedProbe | None = None
    """The classifier on frozen features that made the predictions; null: the model did."""
    n: Count
    """Samples."""
    metrics: dict[str, Score]
    """Metrics by name; null where one is not defined."""
    per_class: dict[str, ClassScores]
    """The scores of each class, in the order of class ids."""
    plugin_metrics: dict[str, PluginMetric] | None = None
    """Of the metrics those that plugins have computed; not there where none was asked for."""
    annotators: Annotators | None = None
    """How far people agree on these pictures; null where their votes are not known."""
    excluded: Count | None = None
    """Samples that a list of exclusions took out."""
    seen: Seen | None = None
    """What the weights had seen before; not there for the plain test of a run that started from scratch."""
    data: TestedData | None = None
    """The data, where it is not the run's own, as of ``ferbench evaluate``."""
    left_out: dict[str, Count] | None = None
    """Samples of classes that the model does not know, by class."""
    contaminated: str | None = None
    """Why it says nothing of single, unseen images, where that is so; it is not ranked then. Of imported predictions as
    it was declared; of a model, that its predictions depend on the other images of a batch."""

    read: str | None = None
    """SHA-256 of the line of the ledger of test reads that says so; not there for what is no test, or was made before
    there was a ledger."""
    over_folds: dict[str, OverFolds] | None = None
    """Of a pooled run: how accuracy, macro-F1 and balanced accuracy spread over its folds; ``metrics`` are those of all
    samples together."""

    @model_validator(mode="after")
    def _known(self) -> EvaluationEntry:
        """Tables know which way a metric is better though its plugin is not there."""
        for name, facts in (self.plugin_metrics or {}).items():
            remember(Measure(name, name, facts.higher_is_better, True, low=facts.low, high=facts.high))
        return self

    @property
    def is_own(self) -> bool:
        """The run made it of its own data by itself; else it is of ``ferbench evaluate``."""
        return self.data is None

    @property
    def is_plain(self) -> bool:
        """Each sample was tested once, as it is, by the model, and nothing was done to the predictions."""
        return self.options.get("tta", "none") == "none" and not {POSTPROCESSING, PROBE} & self.options.keys()

    @property
    def ways(self) -> list[str]:
        """How it was tested where that is not the plain way, in words."""
        tta, name = self.options.get("tta", "none"), self.options.get(POSTPROCESSING)
        looked = [] if tta == "none" else [f"test-time augmentation: {tta}"]
        if PROBE in self.options:
            looked.append(f"probe: {self.options[PROBE] if self.probe is None else self.probe}")
        done = name if self.postprocessing is None else str(self.postprocessing)
        return looked if name is None else [*looked, f"post-processing: {done}"]

    @property
    def covered_options(self) -> dict[str, Any]:
        """What the evaluation id covers of ``options``, but for the pixels."""
        options = dict(self.options)
        if self.postprocessing is not None:
            options = {key: value for key, value in options.items() if key.partition(".")[0] != POSTPROCESSING}
            options[POSTPROCESSING] = self.postprocessing.identity()
        return options if self.probe is None else {**options, PROBE: self.probe.identity()}

    @property
    def scored_classes(self) -> list[str]:
        """Names of the classes, without those that only the model knows."""
        only_model = () if self.data is None else self.data.only_model
        return [name for name in self.per_class if name not in only_model]

    @property
    def absent_classes(self) -> list[str]:
        """Of `scored_classes` those that none of the samples is of."""
        return [name for name in self.scored_classes if not self.per_class[name].support]


class EvaluatedMember(Record):
    """An evaluation that one of an ensemble, or of a pooled run, is made of."""

    run: str
    """Name of the run's directory."""
    evaluation: str
    """Twelve digits of its evaluation id."""


class Evaluation(EvaluationEntry):
    """An evaluation in full, as ``metrics.json`` has it."""

    evaluation_id: str
    """The evaluation id."""
    training_id: str
    """Of the weights."""
    dataset: str | None = None
    """Name of the dataset."""
    synthetic: bool | None = None
    """The images are generated."""
    protocol: str | None = None
    """How the dataset was split."""
    class_names: list[str]
    """K classes in the order of class ids."""
    confusion: list[list[Count]] | None = None
    """Samples by true class (rows) and predicted class (columns), K × K."""
    parents: list[EvaluatedMember] | None = None
    """Of an ensemble: the evaluations whose probabilities were averaged; of a pooled run: those of its folds."""
    plugin_changed: str | None = None
    """How the model's plugin differs from the one that trained the weights; null where it does not."""
    finished: str | None = None
    """When, in UTC, ISO 8601."""
    seconds: float | None = None
    """How long it took."""
    predictions_sha256: str | None = None
    """SHA-256 of ``predictions.npz``."""
    own: str | None = None
    """SHA-256 of what the file says, this field apart."""

    @model_validator(mode="after")
    def _square(self) -> Evaluation:
        """A confusion matrix has a row and a column for each class."""
        classes = len(self.class_names)
        rows = [classes] if self.confusion is None else [len(self.confusion), *map(len, self.confusion)]
        if set(rows) != {classes}:
            raise misplaced("confusion", f"a matrix of {classes} rows and columns")
        return self

    def entry(self) -> EvaluationEntry:
        """The evaluation as ``run.json`` has it."""
        kept = {name: getattr(self, name) for name in EvaluationEntry.model_fields if name in self.model_fields_set}
        return EvaluationEntry.model_construct(_fields_set={*kept, "id"}, **kept | {"id": self.evaluation_id})
