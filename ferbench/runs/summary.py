"""What a list of runs needs of each run: a small part of its ``run.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ferbench.metrics.measures import Measure, remember
from ferbench.runs.partitions import config_id, partition_id, unfolded_id

if TYPE_CHECKING:
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Data, Run

#: Rises when a summary says something else for the same record: an index of older summaries is then not read.
SUMMARY_VERSION = 16

#: The status of a run whose record cannot be read.
DAMAGED = "damaged"

#: Stands for components that only other software knows.
ELSEWHERE = "elsewhere"

#: Where predictions come from: a run or an ensemble of ferbench, the tests of all folds, other software, or weights
#: from elsewhere that were tested here as they came.
MEASURED, POOLED, IMPORTED, FOREIGN = "measured", "pooled", "imported", "foreign"


class DataSummary(NamedTuple):
    """What a run was trained on, or tested on. Everything is empty for a damaged run.

    Attributes:
        dataset: its name, or several joined.
        protocol: how it was split.
        synthetic: images are generated.
        class_names: in the order of class ids.
        fold: which part of how many, of a run on one.
        tested: that fold is tested, and one result with the others; else it is validated.
        train: training samples of a run.
        copy: why it is not the dataset that others have, where that is so.
    """

    dataset: str | None = None
    protocol: str | None = None
    synthetic: bool = False
    class_names: tuple[str, ...] = ()
    fold: str | None = None
    tested: bool = False
    train: int | None = None
    copy: str = ""


@dataclass(slots=True)
class Scores:
    """One evaluation of a run.

    Attributes:
        rows: digest of the samples.
        n: how many.
        values: metrics by name, and ``precision:CLASS``, ``recall:CLASS`` and ``f1:CLASS``; what was no number is
            not there.
        options: how it was evaluated where that is not the plain way, such as ``{"tta": "flip"}``; ``seen`` is
            ``unknown`` where it is not known whether the run had seen the samples before.
        data: of an evaluation on other data than the run's own test set; None for that.
        contaminated: why it says nothing: the run had seen some of the samples before. Empty where it had not.
        evaluation: twelve digits of its id, under which the predictions lie.
        absent: classes that none of the samples is of.
        annotators: how often one annotator of the samples agrees with the majority of the others, in words.
        human: the same as a share.
        human_of: the same by true class.
        tested: it is a reading of a test set's labels; else a fold's of validation.
        read: digest of its line in the ledger of test reads; empty where there is none.
    """

    rows: str
    n: int
    values: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)
    data: DataSummary | None = None
    contaminated: str = ""
    evaluation: str = ""
    absent: list[str] = field(default_factory=list)
    annotators: str = ""
    human: float | None = None
    human_of: dict[str, Any] = field(default_factory=dict)
    tested: bool = False
    read: str = ""


@dataclass(slots=True)
class Summary:
    """A run in short. Everything after ``reason`` may be empty for a run without a result.

    Attributes:
        run: name of the run's directory.
        status: as in ``run.json``, or ``damaged``.
        name: as ``--name`` gave it.
        reason: why there is no result, in one line.
        training: training id.
        config: configuration id.
        seed: of training.
        data: ``dataset``, ``protocol``, ``fold``, ``synthetic``, ``class_names``, and ``train``, the number of training
            samples.
        settings: component names by section (``model``), their options and the fields of ``[data]`` and ``[training]``
            by dotted key (``model.width``, ``data.fold``).
        epochs: trained.
        best_epoch: whose weights were evaluated.
        parameters: of the model, running statistics included.
        flops: of one image's forward pass.
        seconds: of training.
        speed: images per second in training.
        select: the metric of validation that chose the epoch; empty where nothing was chosen.
        skipped: faulty samples of the dataset that were left out.
        kind: ``measured`` here, ``pooled``: the tests of all folds, ``imported``: other software made the
            predictions, or ``foreign``: nothing was trained here, the weights are as they came from elsewhere.
        parents: runs that it continues or is made of: names of their directories.
        unfolded: of a fold: an id that it shares with the other folds and seeds of its configuration; else empty.
        partition: of a fold: the id of the samples and of how they were cut into folds; else empty.
        validation: digest of its validation samples; empty where it chose nothing on any.
        test: digest of its own test set; empty where it has none.
        plugin_metrics: by name, of metrics that plugins computed: whether higher is better.
        scores: on the test set, or for a fold that is not tested on its validation samples; then those of ``ferbench
            evaluate``.
    """

    run: str
    status: str
    name: str | None = None
    reason: str = ""
    training: str = ""
    config: str = ""
    seed: int | None = None
    data: DataSummary = field(default_factory=DataSummary)
    settings: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    best_epoch: int | None = None
    parameters: int | None = None
    flops: int | None = None
    seconds: float | None = None
    speed: float | None = None
    select: str = ""
    skipped: int = 0
    kind: str = MEASURED
    parents: list[str] = field(default_factory=list)
    unfolded: str = ""
    partition: str = ""
    validation: str = ""
    test: str = ""
    plugin_metrics: dict[str, Any] = field(default_factory=dict)
    scores: list[Scores] = field(default_factory=list)

    @property
    def remark(self) -> str:
        """``reason``, and what to do about a damaged run."""
        return f"{self.reason}; {look_or_remove(self.run)}" if self.status == DAMAGED else self.reason

    def announce(self) -> None:
        """Let tables know which way metrics of plugins are better, though the plugins may not be there."""
        for name, higher_is_better in self.plugin_metrics.items():
            remember(Measure(name, name, higher_is_better is not False, True))

    @property
    def folds(self) -> list[str]:
        """Of a pooled run: the runs that it joins."""
        return self.parents if self.kind == POOLED else []

    @property
    def elsewhere(self) -> bool:
        """It was trained by other software."""
        return self.kind == IMPORTED


def look_or_remove(run: str) -> str:
    """What to do about a damaged run."""
    return f"'ferbench runs verify {run}' says more, 'ferbench runs rm {run}' removes it"


def summarise(run: str, record: Run) -> Summary:
    """The summary of a record.

    Args:
        run: name of the run's directory.
        record: its ``run.json``.
    """
    data = record.data
    summary = Summary(
        run,
        record.status,
        name=record.name,
        training=record.identity.training_id,
        config=config_id(record),
        seed=record.seed,
        data=DataSummary(
            dataset=data.dataset,
            protocol=data.protocol,
            synthetic=data.synthetic,
            class_names=tuple(data.class_names),
            fold=data.place,
            tested=data.test_fold is not None,
            train=sum(data.counts.get("train", {}).values()),
            copy="" if data.reference is None else data.reference.warning,
        ),
        settings=record.settings,
        skipped=data.skipped_faulty,
        kind=kind_of(record),
        parents=[parent.run for parent in record.lineage.sources],
    )
    if record.kind == "trained":
        summary.validation, summary.test = data.validation_digest or "", data.test_digest or ""
    if data.place:
        summary.unfolded, summary.partition = unfolded_id(record), partition_id(record)
    if record.status != "done":
        lines = ("" if record.error is None else record.error.message).splitlines()
        summary.reason = lines[0] if lines else ""
        return summary
    if (training := record.training) is not None:
        summary.epochs, summary.best_epoch = training.epochs, training.best_epoch
        summary.seconds, summary.speed = training.seconds, training.images_per_second
        summary.select = (training.select or "") if training.epochs else ""
    if record.model is not None:
        summary.parameters, summary.flops = record.model.parameters, record.model.flops
    split = "validation" if data.fold else "test"
    own = {key: entry for key, entry in record.evaluations.items() if entry.is_own and entry.split == split}
    later = {key: entry for key, entry in record.evaluations.items() if not entry.is_own and _is_a_test(entry)}
    summary.scores = [_scores(key, entry) for key, entry in (own | later).items()]
    for entry in (own | later).values():
        facts = entry.plugin_metrics or {}
        summary.plugin_metrics |= {name: about.higher_is_better for name, about in facts.items()}
    if not summary.scores:
        summary.reason = f"it was not evaluated on {split}"
    return summary


def kind_of(record: Run) -> str:
    """`Summary.kind` of a record."""
    if record.is_foreign:
        return FOREIGN
    return record.kind if record.kind in (POOLED, IMPORTED) else MEASURED


def excluded_line(data: Data) -> str:
    """What a list of excluded samples took out of a run's data, in words; empty where it took none."""
    several = ", ".join(f"{n:,} of {split}" for split, n in data.excluded.items() if n)
    line = f"{sum(data.excluded.values()):,} samples were left out ({several})" if several else ""
    listed = data.exclusions
    if listed is None or listed.found == listed.listed:
        return line
    missing = f"{listed.listed - listed.found:,} of the {listed.listed:,} ids of the list were not found"
    return f"{line}; {missing}" if line else missing


def noise_line(data: Data) -> str:
    """That a run learnt from wrong labels on purpose, in words; empty where it did not."""
    noise = data.label_noise
    if noise is None:
        return ""
    how = "by a confusion matrix" if noise.confusion else "each other class as likely"
    counted = f"{noise.wrong:,} of {noise.n:,} training labels are wrong on purpose"
    return f"label noise {noise.share:.4g}: {counted} ({noise.wrong / max(noise.n, 1):.1%}, {how})"


def is_test(entry: EvaluationEntry) -> bool:
    """Whether an evaluation reads the labels of a test set."""
    return entry.split == "test" if entry.is_own else _is_a_test(entry)


def _is_a_test(entry: EvaluationEntry) -> bool:
    """What a run is tested on with its own training or validation samples is no test that failed to be clean."""
    return entry.split in ("test", "all") or entry.seen is None or not entry.seen.contaminated


def plain_options(entry: EvaluationEntry) -> dict[str, Any]:
    """The options of an evaluation in which it differs from the plain way."""
    return {key: value for key, value in entry.options.items() if value not in (None, "none")}


def _scores(key: str, entry: EvaluationEntry) -> Scores:
    measured = dict(entry.metrics)
    scored = list(entry.per_class) if entry.data is None else entry.data.class_names
    for class_name, by_class in entry.per_class.items():
        if class_name in scored:  # else the test set does not know it
            for which in ("precision", "recall", "f1"):
                measured[f"{which}:{class_name}"] = getattr(by_class, which)
    values = {name: value for name, value in measured.items() if value is not None}
    scores = Scores(entry.rows_digest, entry.n, values, plain_options(entry), evaluation=key)
    scores.contaminated = entry.contaminated or ""
    scores.tested, scores.read = is_test(entry), entry.read or ""
    scores.absent = entry.absent_classes
    if entry.annotators is not None:
        scores.annotators, scores.human = entry.annotators.line, entry.annotators.agreement
        scores.human_of = dict(entry.annotators.per_class)
    where = "its own test set"
    if entry.data is not None:
        where = f"{entry.data.dataset} ({entry.data.protocol})"
        on = entry.data
        copy = "" if on.reference is None else on.reference.warning
        scores.data = DataSummary(on.dataset, on.protocol, on.synthetic, tuple(on.class_names), copy=copy)
    if entry.seen is None:
        return scores
    if entry.seen.contaminated is None:
        scores.options["seen"] = "unknown"
    elif entry.seen.contaminated:
        scores.contaminated = f"on {where} it had seen samples before: {entry.seen.counted(' and ')}"
    return scores
