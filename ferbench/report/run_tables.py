"""The tables of one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.measures import measure
from ferbench.records.evaluation import EvaluationEntry
from ferbench.report.contents import RunView, Scored
from ferbench.runs.remarks import absent_line
from ferbench.tables.table import Cell, Column, Table, apart, duration

#: Pairs of classes that are listed as most confused.
_PAIRS = 10

STRONG, WEAK = 0.85, 0.60
_TIERS = {"strong": "▲ strong", "fair": "● fair", "weak": "▼ weak"}

#: No metrics, but of how many samples one is known.
_COUNTS = ("valence_n", "arousal_n")


def tier(f1: float) -> str:
    """``strong`` above 0.85, ``weak`` below 0.60, else ``fair``."""
    return "strong" if f1 > STRONG else "weak" if f1 < WEAK else "fair"


def per_class(run: RunView, scored: Scored) -> Table:
    """Precision, recall, F1, support and tier of each class, with macro and weighted averages."""
    rows: list[tuple[Cell, ...]] = [
        (name, one["precision"], one["recall"], one["f1"], one["support"], _TIERS[tier(one["f1"])])
        for name, one in scored.per_class.items()
    ]
    scores = scored.metrics
    absent = absent_line(EvaluationEntry.model_validate(scored.entry))
    rows.append(("macro average", *(scores[f"macro_{key}"] for key in ("precision", "recall", "f1")), scored.n, None))
    # The mean of recall weighted by support is the accuracy.
    rows.append(
        ("weighted average", scores["weighted_precision"], scores["accuracy"], scores["weighted_f1"], scored.n, None)
    )
    return Table(
        id=f"scores-{run.id}",
        caption=f"Scores per class of {run.label} on {scored.tested_on}.",
        columns=(
            Column("class", "class"),
            Column("precision", "precision", "score", about="of the samples predicted as this class, how many are"),
            Column("recall", "recall", "score", about="of the samples of this class, how many are predicted so"),
            Column("f1", "F1", "score", about="harmonic mean of precision and recall"),
            Column("support", "support", "count", about="samples of this class"),
            Column("tier", "tier"),
        ),
        rows=tuple(rows),
        summary=2,
        notes=(
            f"Tiers: ▲ strong, F1 above {STRONG:.2f}; ● fair; ▼ weak, F1 below {WEAK:.2f}.",
            *([f"{absent}."] if absent else []),
        ),
    )


def metrics(run: RunView) -> Table:
    """Every metric of every evaluation of a run."""
    names = list(dict.fromkeys(name for scored in run.evaluations for name in scored.metrics))
    titles = _unique([f"{scored.title} (n = {scored.n:,})" for scored in run.evaluations], run.evaluations)
    return Table(
        id=f"metrics-{run.id}",
        caption=f"All metrics of {run.label}.",
        columns=(
            Column("metric", "metric"),
            *(
                Column(f"{scored.split}_{scored.id}", title, "score")
                for scored, title in zip(run.evaluations, titles, strict=True)
            ),
        ),
        rows=tuple(
            (measure(name).label, *(one.metrics.get(name) for one in run.evaluations))
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
        for split in ("train", "validation")
        if any(name in record[split] for record in run.history)
    ]
    classes = list(run.history[0]["validation"]["f1"]) if run.history else []
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
                record["epoch"],
                *(record[split].get(name) for split, name in measured),
                *(record["validation"]["f1"].get(name) for name in classes),
                record.get("seconds"),
            )
            for record in run.history
        ),
    )


def sampling(run: RunView) -> Table | None:
    """What the sampler said of how it drew each epoch; None for one that says nothing."""
    said = [(record["epoch"], record["sampler"]) for record in run.history if isinstance(record.get("sampler"), dict)]
    keys: dict[tuple[str, str | None], bool] = {}
    for _, one in said:
        for key, value in one.items():
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

    def cell(one: dict[str, Any], key: str, name: str | None) -> Cell:
        value = one.get(key)
        value = value.get(name) if name is not None and isinstance(value, dict) else value
        if isinstance(value, (list, tuple)):
            return ", ".join(map(str, value))
        return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None

    return Table(
        id=f"sampling-{run.id}",
        caption=f"How the sampler of {run.label} drew each epoch.",
        columns=tuple(columns),
        rows=tuple((epoch, *(cell(one, key, name) for key, name in keys)) for epoch, one in said),
    )


def curve_metrics(history: Sequence[dict[str, Any]]) -> list[str]:
    """Metrics that learning curves are drawn of, where the history has them."""
    if not history:
        return []
    known = history[0]["validation"]
    affect = [f"{dimension}_{name}" for dimension in ("valence", "arousal") for name in ("rmse", "ccc")]
    return [name for name in ("loss", "accuracy", "macro_f1", *affect) if name in known]


def samples(run: RunView) -> Table:
    """Samples by split and class."""
    counts: dict[str, dict[str, int]] = run.record["data"]["counts"]
    splits = list(counts)
    rows = [(name, *(counts[split].get(name, 0) for split in splits)) for name in run.record["data"]["class_names"]]
    rows.append(("total", *(sum(counts[split].values()) for split in splits)))
    return Table(
        id=f"samples-{run.id}",
        caption="Samples by split and class.",
        columns=(Column("class", "class"), *(Column(split, split, "count") for split in splits)),
        rows=tuple(rows),
        summary=1,
    )


def environment(run: RunView) -> Table:
    """Where the run was computed."""
    record = run.record
    known = record["environment"]
    training = record.get("training") or {}
    rows: list[tuple[Cell, ...]] = [(_words(key), str(value)) for key, value in known.items() if key != "packages"]
    rows += [(f"{name} (package)", version) for name, version in known.get("packages", {}).items()]
    if training:
        rows.append(("training time", duration(training["seconds"])))
        if training.get("last_batch"):
            rows.append(("samples of an epoch's last batch", str(training["last_batch"])))
        if training.get("shards"):
            shares = " + ".join(map(str, training["shards"]))
            rows.append(("samples of a batch by device", f"{shares} = {training['batch_size']}"))
        if training["images_per_second"] is not None:
            rows.append(("images per second in training", f"{training['images_per_second']:,.0f}"))
    rows += [("started", record["started"]), ("finished", record.get("finished") or "")]
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
            one["name"],
            f"{one['distribution']} {one['version']}".strip(),
            (one.get("source") or "")[:12],
            ", ".join(f"{key} = {_plain(value)}" for key, value in one["options"].items()),
        )
        for kind, one in run.record["components"].items()
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


def _unique(titles: list[str], evaluations: Sequence[Scored]) -> list[str]:
    """Evaluations of the same split are told apart by their ids."""
    return [
        title if titles.count(title) == 1 else f"{title}, {scored.id}"
        for title, scored in zip(titles, evaluations, strict=True)
    ]


def _words(key: str) -> str:
    return key.replace("_", " ")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
