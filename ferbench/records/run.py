"""The record of a run: what it is, where it ran, how it ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from ferbench.records.base import Count, Json, Record, Score, Side, Values, lacking, misplaced, table
from ferbench.records.environment import Environment
from ferbench.records.evaluation import EvaluationEntry, StoredPixels
from ferbench.records.lineage import Ensemble, Lineage, Pooled
from ferbench.records.reference import Reference, UnlikeParts

Status = Literal["running", "done", "failed", "diverged", "interrupted", "pruned"]

#: Stands for what the members of an ensemble have unlike values of.
Various = Literal["various"]
VARIOUS: Various = "various"

#: What a record is of: a training by ferbench, an ensemble of runs, the tests of all folds together, or predictions
#: that other software made.
Kind = Literal["trained", "ensemble", "pooled", "imported"]


def _covers(value: Any) -> dict[str, Any]:
    """What readers of folds and of older records look into is a table."""
    covers = table(value)
    for key in ("components", "rows", "data", "training"):
        if not isinstance(covers.get(key, {}), dict):
            raise misplaced(key, "a table")
    if not isinstance(covers.get("rows", {}).get("input", []), list):
        raise misplaced("rows.input", "a list")
    return covers


def _asked_training(value: Any) -> dict[str, Any]:
    """Seed and epochs are whole numbers, also where the rest may be anything."""
    fields = table(value)
    for key in ("seed", "epochs"):
        number = fields.get(key, 0)
        if (type(number) is not int or number < 0) and not (key == "epochs" and number == VARIOUS):
            raise misplaced(key, "a whole number")
    return fields


def _components(components: dict[str, Component]) -> dict[str, Component]:
    for section in ("dataset", "model"):
        if section not in components:
            raise lacking(section)
    return components


class Identity(Record):
    """The ids of a run, and what they cover."""

    training_id: str
    """Of the weights: everything that changes them."""
    config_id: str
    """The same without the seed."""
    covers: Annotated[dict[str, Any], PlainValidator(_covers)] = {}
    """What the training id is the digest of."""


class Choice(Record):
    """A component as a recipe chooses it; its options stand beside its name."""

    __pydantic_extra__: dict[str, Json]

    name: str
    """Of the component."""

    @property
    def options(self) -> dict[str, Any]:
        """The options that the recipe gives."""
        return dict(self.__pydantic_extra__)


class AskedRecipe(Record):
    """The recipe as it was asked for. What the members of an ensemble do not share is ``various``."""

    name: str | None = None
    """Of the run."""
    start: str | None = Field(default=None, alias="from")
    """Whose weights it starts from, as ``--from`` gave it."""
    dataset: Choice | Various | None = None
    """The dataset."""
    preprocessing: Choice | Various | None = None
    """What is done to images before they are stored; not there where nothing is."""
    model: Choice | Various | None = None
    """The model."""
    loss: Choice | Various | None = None
    """The loss."""
    sampler: Choice | Various | None = None
    """The sampler."""
    augmentation: Choice | Various | None = None
    """The augmentation."""
    optimizer: Choice | Various | None = None
    """The optimiser."""
    schedule: Choice | Various | None = None
    """The learning-rate schedule."""
    postprocessing: Choice | Various | None = None
    """What is done to predictions at test time; not there where nothing is."""
    trackers: list[Choice] = []
    """The trackers, in no id."""
    data: Values = {}
    """Fields of ``[data]``."""
    training: Annotated[dict[str, Any], PlainValidator(_asked_training)] = {}
    """Fields of ``[training]``."""
    evaluation: Values = {}
    """Fields of ``[evaluation]``."""
    runtime: Values = {}
    """Fields of ``[runtime]``."""


class Component(Record):
    """A component as it was used."""

    name: str
    """Of the component; several names of what an ensemble's members do not share."""
    distribution: str = ""
    """That it came with; ``elsewhere`` for what other software used."""
    version: str = ""
    """Of the distribution."""
    source: str | None = None
    """SHA-256 of the plugin's source; null where it has none to read."""
    options: Values = {}
    """Every option, defaults included."""
    members: dict[str, Component] | None = None
    """Of a dataset that is joined of several, or of preprocessing steps in a row: each of them by name."""


class LoadedPlugin(Record):
    """A plugin that was loaded, used or not."""

    name: str
    """Of its entry point, or of its file."""
    distribution: str | None = None
    """That it came with."""
    version: str | None = None
    """Of the distribution."""
    origin: str | None = None
    """The module, or the file."""
    source: str | None = None
    """SHA-256 of its source."""


class ListedExclusions(Record):
    """How much of a list of exclusions a dataset has."""

    listed: Count
    """Ids that it names."""
    found: Count
    """Of these, ids that a sample has, of whatever part and class."""
    missing: list[str] = []
    """The first few that no sample has."""


class LabelNoise(Record):
    """Wrong labels that training samples were given on purpose."""

    share: float
    """Of the samples of each class, as asked for."""
    seed: Count
    """Of the draws."""
    confusion: bool
    """A confusion matrix says which classes a class is mistaken for; else each other class is as likely."""
    changes: list[list[Count]]
    """Training samples by true class and by the class that they were given, K×K in the order of ``class_names``."""

    @property
    def n(self) -> int:
        """Training samples."""
        return sum(map(sum, self.changes))

    @property
    def wrong(self) -> int:
        """Of these, samples with a wrong label."""
        return self.n - sum(row[k] for k, row in enumerate(self.changes))


class TestFold(Record):
    """The fold that a run is tested on, of folds that are all tested once, each by a run that never saw it."""

    fold: Annotated[str, Field(pattern=r"^\d{1,9}/\d{1,9}$")]
    """``i/k``: which one of how many."""
    by: str = ""
    """What stays together in one fold: ``person``, ``clip``, or which of them is known; empty: folds are cut at
    random."""
    groups: Count
    """How many of these there are; of folds at random the samples."""
    n: Count
    """Tested samples of all folds together."""
    digest: str
    """Of these and their folds: what makes the tests of all folds together the same."""
    samples: str
    """Of all samples that folds are cut from or that are learnt from."""


class Data(Record):
    """The data of a run."""

    dataset: str
    """Its name; several joined with ``+``, or listed for an ensemble of runs on unlike ones."""
    synthetic: bool
    """The images are generated."""
    protocol: str
    """How it was split into parts."""
    fold: Annotated[str, Field(pattern=r"^\d{1,9}/\d{1,9}$")] | None = None
    """``i/k`` for a fold of cross-validation, whose test set stays unread."""
    test_fold: TestFold | None = None
    """Of a run that is tested on a fold: which one; null for the others."""
    class_names: list[str]
    """K classes in the order of class ids."""
    has_affect: bool = False
    """Samples have valence and arousal."""
    counts: dict[str, dict[str, Count]]
    """Samples by split and class."""
    pack: str | None = None
    """Id of the pack that was read."""
    color: str | None = None
    """``gray`` or ``rgb``: how the pack holds images."""
    stored: StoredPixels | None = None
    """Size and fit of the pack's images, where they were resampled."""
    image_size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    """Height and width of the pack's images; null in records of older releases."""
    train_digest: str | None = None
    """Of the training samples, in order."""
    validation_digest: str | None = None
    """Of the validation samples, in order."""
    test_digest: str | None = None
    """Of the test samples, in any order: what makes two test sets the same; null for a fold."""
    skipped_faulty: Count = 0
    """Faulty samples that were left out."""
    excluded: dict[str, Count] = {}
    """Samples that a list of exclusions took out, by split."""
    exclusions: ListedExclusions | None = None
    """That list, where there is one."""
    label_noise: LabelNoise | None = None
    """Wrong labels among the training samples, whose counts are of the labels that they were given; null: none were put
    there."""
    faults: list[str] = []
    """What is wrong with the first hundred faulty samples."""
    notes: Values = {}
    """What the dataset says of itself."""
    reference: Reference | None = None
    """What it is a copy of, and how good a copy; null where that is not known."""
    unlike_parts: list[UnlikeParts] = []
    """In what the images of a part were processed differently from those of the largest part."""

    @property
    def place(self) -> str | None:
        """``i/k`` of a fold, be it validated or tested; None for what is none."""
        return self.fold if self.test_fold is None else self.test_fold.fold


class ModelSize(Record):
    """How large a model is."""

    parameters: Count | None = None
    """Trainable, frozen and statistics together."""
    trainable: Count | None = None
    """Parameters that require a gradient."""
    frozen: Count | None = None
    """Parameters that do not."""
    statistics: Count | None = None
    """Running statistics, such as a batch norm's mean and variance."""
    loss_parameters: Count | None = None
    """Of the loss, trained with the model's and counted in none of the others; not there where it has none."""
    flops: Count | None = None
    """Floating-point operations of one image's forward pass; a multiply-add counts as two."""


class Stopped(Record):
    """Why a training ended."""

    reason: str
    """``epochs`` (all done), ``patience``, ``fit`` (an estimator, fitted at once), ``ensemble``, or ``pooled`` (all
    folds of a test)."""
    epoch: Count | None = None
    """The last."""


class OnTestGain(Record):
    """How much higher a score is where the epoch is chosen on the samples that it is reported on, in units of the
    score."""

    mean: float
    """Over halvings."""
    deviation: float
    """Standard deviation over halvings."""
    low: float
    """Of 95 % of the halvings, the lowest."""
    high: float
    """The highest."""


class OnTest(Record):
    """What choosing the epoch on test would have bought, from random halves of validation, one of which plays test;
    test was not looked at."""

    halvings: Count
    """How many; each counts twice, since either half plays test."""
    n: Count
    """Validation samples: it is about a test set of half as many, and a choice on validation by half as many."""
    by: str = ""
    """What stays together in one half: ``subject``, ``clip``, or which of them is known; empty: samples are halved."""
    gains: dict[str, OnTestGain]
    """By metric, which chooses and is reported."""


class Training(Record):
    """How a training went."""

    epochs: Count
    """Trained."""
    stopped: Stopped | None = None
    """Why it ended."""
    best_epoch: Count
    """Whose weights were kept and tested; 0 for weights as they were built."""
    select: str | None = None
    """The metric of validation that chose it."""
    best_value: Score = None
    """Its value there."""
    seconds: float | None = None
    """Of training and validation."""
    images_per_second: float | None = None
    """In training."""
    batch_size: Count | None = None
    """Samples a batch, over all devices."""
    accumulate: Count | None = None
    """Batches an update."""
    effective_batch: Count | None = None
    """Samples an update."""
    last_batch: Count | None = None
    """Samples of an epoch's last batch, where a single sample left over joined it."""
    shards: list[Count] | None = None
    """Samples of a batch by device, where there are several."""
    micro_batch: Count | None = None
    """Samples at once, of one device, after memory ran out; null where whole batches fitted."""
    corrected: Count | None = None
    """Training samples that have another label than the given one at its end, since the loss corrected it:
    ``corrections.csv`` says which; not there for a loss that never did."""
    weights_sha256: str | None = None
    """SHA-256 of ``best.safetensors``."""
    on_test: OnTest | None = None
    """What choosing the epoch on test would have bought; not there for fewer than two epochs, a fit, more than 256
    classes, and records of older versions."""

    @property
    def fitted(self) -> bool:
        """Whether it was the fit of an estimator."""
        return self.stopped is not None and self.stopped.reason == "fit"


class Failure(Record):
    """Why a run is not done."""

    type: str | None = None
    """Class of the exception."""
    message: str = ""
    """What is wrong; where a plugin raised it, it begins with component, plugin, distribution and version."""
    traceback: str | None = None
    """Where it was raised, for a failure."""


class Session(Record):
    """A process that went on with a run that an earlier one had begun."""

    started: str
    """When, in UTC, ISO 8601."""
    epoch: Count
    """The epoch that it began with."""
    batches: Count = 0
    """Batches of that epoch that were done."""
    environment: Environment | None = None
    """Where it ran."""


class Run(Record):
    """``run.json``."""

    schema_version: int = Field(default=3, alias="schema")
    """Version of the layout; `ferbench` reads older ones too."""
    kind: Kind
    """``trained`` by ferbench, an ``ensemble`` of runs, ``pooled``: the tests of all folds together, or ``imported``:
    predictions that other software made."""
    name: str | None = None
    """As ``--name`` gave it."""
    status: Status
    """``running``, ``done``, ``failed``, ``diverged`` (the loss became NaN or infinite), ``interrupted``, or ``pruned``
    (a search ended it early)."""
    started: str | None = None
    """When it began, in UTC, ISO 8601."""
    finished: str | None = None
    """When it ended; null while it runs."""
    identity: Identity
    """Its ids."""
    recipe: AskedRecipe
    """What was asked for."""
    components: Annotated[dict[str, Component], AfterValidator(_components)]
    """What was used, by section of the recipe."""
    plugins: list[LoadedPlugin] = []
    """Every plugin that was loaded, used or not; in no id."""
    data: Data
    """What it learnt from and was tested on."""
    environment: Environment = Environment()
    """Where it was computed."""
    lineage: Lineage = Lineage(parents=[])
    """The runs that it comes from."""
    ensemble: Ensemble | None = None
    """Of an ensemble: its members."""
    pooled: Pooled | None = None
    """Of a pooled run: its folds."""
    model: ModelSize | None = None
    """How large the model is; null for imported predictions, and until it is built."""
    training: Training | None = None
    """How training went; null for imported predictions, and until it has ended."""
    evaluations: dict[str, EvaluationEntry] = {}
    """By the first twelve digits of their ids: its own on validation and test, then those of ``ferbench evaluate``."""
    resumed: list[Session] = []
    """The processes that went on with it."""
    tuning: Values | None = None
    """Of a run that a search chose: study, objectives, trial, and its values there."""
    error: Failure | None = None
    """Why it is not done."""
    files: dict[str, str] | None = {}
    """SHA-256 of every other file of the run, by its place in the directory; empty while it runs, since its files grow;
    null for a run that an older release wrote."""
    own: str | None = None
    """SHA-256 of all bytes of the file before this field, which is its last."""

    @model_validator(mode="after")
    def _whole(self) -> Run:
        """A finished training says how it went, and an ensemble or a pooled run what it is made of."""
        needed = {
            "ensemble": ("ensemble",),
            "pooled": ("pooled",),
            "trained": ("training", "model"),
            "imported": (),
        }[self.kind]
        for key in needed if self.status == "done" else ():
            if getattr(self, key) is None:
                raise lacking(key)
        return self

    @property
    def seed(self) -> int:
        """Of training; the lowest of an ensemble's members."""
        return int(self.recipe.training.get("seed", 0))

    @property
    def is_foreign(self) -> bool:
        """Nothing was trained here: the weights are those that others made, as they came."""
        if self.kind != "trained" or self.training is None or self.training.epochs or self.training.fitted:
            return False
        options = self.components["model"].options
        given = (options.get(key) for key in ("weights", "checkpoint"))
        return not self.lineage.parents and any(value not in (None, "", "none") for value in given)

    def own_evaluations(self, split: str) -> dict[str, EvaluationEntry]:
        """Those that the run made of its own data by itself, by short id: without test-time augmentation first."""
        own = [(key, entry) for key, entry in self.evaluations.items() if entry.is_own and entry.split == split]
        return dict(sorted(own, key=lambda pair: not pair[1].is_plain))

    @property
    def distributions(self) -> list[str]:
        """That the components of the run and of its evaluations came with."""
        steps = [entry.postprocessing for entry in self.evaluations.values()]
        own = [component.distribution for component in self.components.values()]
        return own + [step.distribution for step in steps if step is not None]

    @property
    def settings(self) -> dict[str, Any]:
        """What was chosen, by key: ``model`` is a component's name, ``model.width`` an option of it, ``data.fold`` and
        ``training.epochs`` are fields of the recipe, the seed left out; ``training.from`` is the run, and the point of
        it, whose weights it started from, ``training.teacher`` the one that taught it."""
        chosen: dict[str, Any] = {}
        for section, component in self.components.items():
            chosen[section] = component.name
            chosen |= {f"{section}.{option}": value for option, value in component.options.items()}
        for section, fields in (("data", self.recipe.data), ("training", self.recipe.training)):
            chosen |= {f"{section}.{field}": value for field, value in fields.items() if (section, field) != _SEED}
        for parent in self.lineage.parents:
            if parent.at is not None:
                chosen["training.from"] = f"{parent.name or parent.run}@{parent.at}"
        if (teacher := self.lineage.teacher) is not None:
            chosen["training.teacher"] = f"{teacher.name or teacher.run}@{teacher.at}"
        return chosen


_SEED = ("training", "seed")
