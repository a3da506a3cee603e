"""The tables of one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferbench.ids import SHORT
from ferbench.metrics.measures import measure
from ferbench.records.epoch import Epoch
from ferbench.records.evaluation import Annotators
from ferbench.report.contents import RunView, Scored
from ferbench.runs.corrections import between_classes
from ferbench.runs.remarks import absent_line
from ferbench.tables.table import Cell, Column, Table, apart, duration
from ferbench.tables.values import text

#: Pairs of classes that are listed as most confused.
_PAIRS = 10

STRONG, WEAK = 0.85, 0.60
_TIERS = {"strong": "▲ strong", "fair": "● fair", "weak": "▼ weak"}

_HUMAN = (
    Column(
        "human",
        "one annotator",
        "score",
        about="on pictures of this class, how often one annotator names what most of the others name",
    ),
    Column("human_n", "annotated", "count", about="pictures of this class that two annotators or more gave a class"),
)

#: What an epoch is measured on.
SPLITS: tuple[Literal["train", "validation"], ...] = ("train", "validation")

#: No metrics, but of how many samples one is known.
_COUNTS = ("valence_n", "arousal_n")


def tier(f1: float) -> str:
    """``strong`` above 0.85, ``weak`` below 0.60, else ``fair``."""
    return "strong" if f1 > STRONG else "weak" if f1 < WEAK else "fair"


def per_class(run: RunView, scored: Scored) -> Table:
    """Precision, recall, F1, support and tier of each class, with macro and weighted averages; beside recall how often
    one annotator agrees with the others, where their votes are known."""
    human = scored.entry.annotators
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            scores.precision,
            scores.recall,
            *(() if human is None else (human.per_class.get(name), human.n_of(name))),
            scores.f1,
            scores.support,
            _TIERS[tier(scored.f1(name))],
        )
        for name, scores in scored.per_class.items()
    ]
    absent = absent_line(scored.entry)
    # The mean of recall weighted by support is the accuracy.
    for label, keys, people in (
        ("macro average", ("macro_precision", "macro_recall", "macro_f1"), _macro(human)),
        ("weighted average", ("weighted_precision", "accuracy", "weighted_f1"), human and human.agreement),
    ):
        precision, recall, f1 = (scored.metrics[key] for key in keys)
        beside = () if human is None else (people, human.n)
        rows.append((label, precision, recall, *beside, f1, scored.n, None))
    return Table(
        id=f"scores-{run.id}",
        caption=f"Scores per class of {run.label} on {scored.tested_on}.",
        columns=(
            Column("class", "class"),
            Column("precision", "precision", "score", about="of the samples predicted as this class, how many are"),
            Column("recall", "recall", "score", about="of the samples of this class, how many are predicted so"),
            *(() if human is None else _HUMAN),
            Column("f1", "F1", "score", about="harmonic mean of precision and recall"),
            Column("support", "support", "count", about="samples of this class"),
            Column("tier", "tier"),
        ),
        rows=tuple(rows),
        summary=2,
        notes=(
            f"Tiers: ▲ strong, F1 above {STRONG:.2f}; ● fair; ▼ weak, F1 below {WEAK:.2f}.",
            *([f"{absent}."] if absent else []),
            *([] if human is None else [f"{_HUMAN[0].label}: {_HUMAN[0].about}."]),
        ),
    )


def _macro(human: Annotators | None) -> float | None:
    """The mean agreement of the classes, each counting alike."""
    return None if human is None or not human.per_class else sum(human.per_class.values()) / len(human.per_class)


def metrics(run: RunView) -> Table:
    """Every metric of every evaluation of a run."""
    names = list(dict.fromkeys(name for scored in run.evaluations for name in scored.metrics))
    titles = [f"{scored.title} (n = {scored.n:,})" for scored in run.evaluations]
    return Table(
        id=f"metrics-{run.id}",
        caption=f"All metrics of {run.label}.",
        columns=(
            Column("metric", "metric"),
            *(
                # Evaluations of the same split are told apart by their ids.
                Column(
                    f"{scored.split}_{scored.id}",
                    title if titles.count(title) == 1 else f"{title}, {scored.id}",
                    "score",
                )
                for scored, title in zip(run.evaluations, titles, strict=True)
            ),
        ),
        rows=tuple(
            (measure(name).label, *(scored.metrics.get(name) for scored in run.evaluations))
            for name in names
            if name not in _COUNTS
        ),
        notes=tuple(_annotated(run)),
    )


def _annotated(run: RunView) -> Iterator[str]:
    """How many samples have valence and arousal, where not all do."""
    for scored in run.evaluations:
        for key in _COUNTS:
            known = scored.metrics.get(key, scored.n)
            if known != scored.n:
                what = key.removesuffix("_n")
                yield f"{scored.title}: {what} is annotated for {known:,.0f} of {scored.n:,} samples."


def confusion(run: RunView, scored: Scored) -> Table:
    """Counts of the confusion matrix."""
    assert scored.confusion is not None
    return Table(
        id=f"confusion-{run.id}",
        caption=f"Confusion matrix of {run.label} on {scored.tested_on}: rows are true classes.",
        columns=(
            Column("true", apart("true class", scored.class_names)),
            *(Column(f"predicted_{name}", name, "count") for name in scored.class_names),
            Column("support", apart("support", scored.class_names), "count"),
        ),
        rows=tuple(
            (name, *(int(v) for v in row), int(row.sum()))
            for name, row in zip(scored.class_names, scored.confusion, strict=True)
        ),
    )


def confused_pairs(run: RunView, scored: Scored) -> Table:
    """The pairs of true and predicted class that most errors fall on."""
    assert scored.confusion is not None
    wrong: NDArray[np.int64] = scored.confusion.copy()
    np.fill_diagonal(wrong, 0)
    errors, support = int(wrong.sum()), scored.confusion.sum(axis=1)
    # Stable: of equally frequent pairs the one of the earlier classes comes first.
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    rows = []
    for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[i, j]:
            count = int(wrong[i, j])
            pair = (scored.class_names[i], scored.class_names[j])
            rows.append((*pair, count, count / int(support[i]), count / errors))
    return Table(
        id=f"confused-{run.id}",
        caption=f"Most-confused pairs of {run.label}: {errors:,} of {scored.n:,} samples are misclassified.",
        columns=(
            Column("true", "true class"),
            Column("predicted", "taken for"),
            Column("count", "samples", "count"),
            Column("share_of_class", "share of the true class", "score"),
            Column("share_of_errors", "share of all errors", "score"),
        ),
        rows=tuple(rows),
    )


def epochs(run: RunView) -> Table:
    """The learning curves as numbers."""
    measured = [
        (split, name)
        for name in curve_metrics(run.history)
        for split in SPLITS
        if any(value is not None for value in run.curve(split, name))
    ]
    curves = [run.curve(split, name) for split, name in measured]
    classes = list(run.history[0].validation.f1)
    return Table(
        id=f"epochs-{run.id}",
        caption=f"Every epoch of {run.label}: training metrics over the augmented batches as they went by, validation "
        "metrics and validation F1 by class.",
        columns=(
            Column("epoch", "epoch", "count"),
            *(Column(f"{split}_{name}", f"{split} {measure(name).label}", "score") for split, name in measured),
            *(Column(f"f1_{name}", f"F1 {name}", "score") for name in classes),
            Column("seconds", "time", "seconds"),
        ),
        rows=tuple(
            (
                epoch.epoch,
                *(curve[place] for curve in curves),
                *(epoch.validation.f1.get(name) for name in classes),
                epoch.seconds,
            )
            for place, epoch in enumerate(run.history)
        ),
    )


def sampling(run: RunView) -> Table | None:
    """How the sampler drew each epoch, as it describes itself; None for one that does not."""
    drawn = [(epoch.epoch, epoch.sampler) for epoch in run.history if epoch.sampler is not None]
    keys: dict[tuple[str, str | None], bool] = {}
    for _, description in drawn:
        for key, value in description.items():
            for name in value if isinstance(value, dict) else (None,):
                part = value if name is None else value[name]
                numeric = isinstance(part, (int, float)) and not isinstance(part, bool)
                keys[key, name] = keys.get((key, name), True) and numeric
    if not keys:
        return None
    columns = [Column("epoch", "epoch", "count")]
    for (key, name), numeric in keys.items():
        label = _words(key) if name is None else f"{_words(key)}: {name}"
        columns.append(Column(key if name is None else f"{key}_{name}", label, "number" if numeric else "text"))

    def cell(description: dict[str, Any], key: str, name: str | None) -> Cell:
        value = description.get(key)
        value = value.get(name) if name is not None and isinstance(value, dict) else value
        if isinstance(value, (list, tuple)):
            return ", ".join(map(str, value))
        return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None

    return Table(
        id=f"sampling-{run.id}",
        caption=f"How the sampler of {run.label} drew each epoch.",
        columns=tuple(columns),
        rows=tuple((epoch, *(cell(description, *key) for key in keys)) for epoch, description in drawn),
    )


def corrections(run: RunView) -> Table | None:
    """How many training labels the loss has corrected from which class to which; None where it has none."""
    if not run.corrections:
        return None
    counts, names = between_classes(run.corrections), run.record.data.class_names
    learnt = sum(run.record.data.counts.get("train", {}).values())
    return Table(
        id=f"corrections-{run.id}",
        caption=f"Labels that the loss of {run.label} has corrected: {len(run.corrections):,} of {learnt:,} training "
        "samples. Rows are given classes, columns those in their place.",
        columns=(
            Column("given", apart("given class", names)),
            *(Column(f"corrected_{name}", name, "count") for name in names),
            Column("all", apart("all", names), "count"),
        ),
        rows=tuple(
            (given, *(counts[given, name] for name in names), sum(counts[given, name] for name in names))
            for given in names
        ),
        notes=("Validation, test and the counts of classes are of the given labels.",),
    )


def curve_metrics(history: Sequence[Epoch]) -> list[str]:
    """Metrics that learning curves are drawn of, where a history of at least one epoch has them."""
    known = history[0].validation.metrics
    affect = [f"{dimension}_{name}" for dimension in ("valence", "arousal") for name in ("rmse", "ccc")]
    return [name for name in ("loss", "accuracy", "macro_f1", *affect) if name in known]


def samples(run: RunView) -> Table:
    """Samples by split and class."""
    counts = run.record.data.counts
    rows: list[tuple[Cell, ...]] = [
        (name, *(by_class.get(name, 0) for by_class in counts.values())) for name in run.record.data.class_names
    ]
    rows.append(("total", *(sum(by_class.values()) for by_class in counts.values())))
    return Table(
        id=f"samples-{run.id}",
        caption="Samples by split and class.",
        columns=(Column("class", "class"), *(Column(split, split, "count") for split in counts)),
        rows=tuple(rows),
        summary=1,
    )


def environment(run: RunView) -> Table:
    """Where the run was computed."""
    record, training = run.record, run.record.training
    known = record.environment.plain()
    rows: list[tuple[Cell, ...]] = [(_words(key), str(value)) for key, value in known.items() if key != "packages"]
    rows += [(f"{name} (package)", version) for name, version in record.environment.packages.items()]
    if training is not None:
        if training.seconds is not None:
            rows.append(("training time", duration(training.seconds)))
        if training.last_batch:
            rows.append(("samples of an epoch's last batch", str(training.last_batch)))
        if training.shards:
            shares = " + ".join(map(str, training.shards))
            rows.append(("samples of a batch by device", f"{shares} = {training.batch_size}"))
        if training.images_per_second is not None:
            rows.append(("images per second in training", f"{training.images_per_second:,.0f}"))
    rows += [("started", record.started), ("finished", record.finished or "")]
    return Table(
        id=f"environment-{run.id}",
        caption=f"Where {run.label} was computed.",
        columns=(Column("what", "what"), Column("value", "value")),
        rows=tuple(rows),
    )


def components(run: RunView) -> Table:
    """The plugins that were combined, and where they come from."""
    rows = [
        (
            kind,
            component.name,
            f"{component.distribution} {component.version}".strip(),
            (component.source or "")[:SHORT],
            ", ".join(f"{key} = {text(value)}" for key, value in component.options.items()),
        )
        for kind, component in run.record.components.items()
    ]
    return Table(
        id=f"components-{run.id}",
        caption=f"What {run.label} combines, with every option.",
        columns=(
            Column("kind", "kind"),
            Column("name", "name"),
            Column("distribution", "from"),
            Column("source", "source digest", "id"),
            Column("options", "options"),
        ),
        rows=tuple(rows),
    )


def _words(key: str) -> str:
    return key.replace("_", " ")
