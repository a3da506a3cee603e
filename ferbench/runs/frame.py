"""Results as frames of pandas: one row an evaluation, a sample, an epoch, or a class.

Text is of the dtype ``str``, counts are ``Int64`` (they may be missing), measurements ``float64``. Names of classes
that look like missing values (``NA``, ``None``, ``nan``) stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ferbench.ids import short
from ferbench.runs.summary import Scores, Summary

if TYPE_CHECKING:
    import pandas as pd

    from ferbench.records.epoch import Epoch
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.runs.predictions import Predictions


class FrameColumn(NamedTuple):
    """A column of `evaluations`; its value follows from the run, or from the run and the evaluation."""

    key: str
    dtype: str
    about: str
    value: Callable[..., Any]


#: What `evaluations` says of the run, in this order.
RUN_COLUMNS = (
    FrameColumn("run", "str", "twelve digits of the training id: the name of its directory", lambda run: run.run),
    FrameColumn("name", "str", "as --name gave it", lambda run: run.name),
    FrameColumn(
        "kind",
        "str",
        "measured here, pooled of all folds, imported, or foreign: weights from elsewhere",
        lambda run: run.kind,
    ),
    FrameColumn(
        "status", "str", "done, running, failed, diverged, interrupted, pruned, damaged", lambda run: run.status
    ),
    FrameColumn("reason", "str", "why there is no result", lambda run: run.remark or None),
    FrameColumn(
        "config",
        "str",
        "twelve digits of the configuration id, which seeds share, and folds",
        lambda run: short(run.unfolded or run.config) or None,
    ),
    FrameColumn("seed", "Int64", "of training", lambda run: run.seed),
    FrameColumn("fold", "str", "which part of how many", lambda run: run.data.fold),
    FrameColumn(
        "test_fold", "boolean", "that fold is tested, and one result with the others", lambda run: run.data.tested
    ),
    FrameColumn("trained_on", "str", "the dataset, or several joined", lambda run: run.data.dataset),
    FrameColumn("train", "Int64", "training samples", lambda run: run.data.train),
    FrameColumn("epochs", "Int64", "trained", lambda run: run.epochs),
    FrameColumn("best_epoch", "Int64", "the epoch whose weights were tested", lambda run: run.best_epoch),
    FrameColumn("select", "str", "the metric of validation that chose the epoch", lambda run: run.select or None),
    FrameColumn("parameters", "Int64", "of the model, running statistics included", lambda run: run.parameters),
    FrameColumn("flops", "Int64", "of one image's forward pass", lambda run: run.flops),
    FrameColumn("seconds", "float64", "of training", lambda run: run.seconds),
    FrameColumn("images_per_second", "float64", "in training", lambda run: run.speed),
    FrameColumn("skipped", "Int64", "faulty samples of the dataset that were left out", lambda run: run.skipped),
    FrameColumn("training_id", "str", "the training id in full", lambda run: run.training or None),
    FrameColumn("config_id", "str", "the configuration id in full; of a fold, its own", lambda run: run.config or None),
    FrameColumn(
        "unfolded_id",
        "str",
        "of a fold: what folds and seeds of a configuration share",
        lambda run: run.unfolded or None,
    ),
    FrameColumn("partition", "str", "of a fold: which samples were cut, and how", lambda run: run.partition or None),
)

#: What `evaluations` says of the evaluation, after `RUN_COLUMNS`; all missing for a run without one.
EVALUATION_COLUMNS = (
    FrameColumn("evaluation", "str", "twelve digits of the evaluation id", lambda run, scores: scores.evaluation),
    FrameColumn("dataset", "str", "that it was measured on", lambda run, scores: (scores.data or run.data).dataset),
    FrameColumn("protocol", "str", "how that was split", lambda run, scores: (scores.data or run.data).protocol),
    FrameColumn("own", "boolean", "it is the run's own test set, or fold", lambda run, scores: scores.data is None),
    FrameColumn(
        "synthetic", "boolean", "images are generated", lambda run, scores: (scores.data or run.data).synthetic
    ),
    FrameColumn(
        "classes",
        "object",
        "a tuple of names, in the order of class ids",
        lambda run, scores: (scores.data or run.data).class_names,
    ),
    FrameColumn(
        "rows_digest", "str", "of the samples, which makes two test sets the same", lambda run, scores: scores.rows
    ),
    FrameColumn("n", "Int64", "samples", lambda run, scores: scores.n),
    FrameColumn(
        "how", "str", "what was done at test time, empty for nothing", lambda run, scores: _how(scores.options)
    ),
    FrameColumn(
        "contaminated", "str", "why it says nothing of unseen samples", lambda run, scores: scores.contaminated
    ),
    FrameColumn(
        "copy",
        "str",
        "why the data are not those that others have, where that is so",
        lambda run, scores: (scores.data or run.data).copy or None,
    ),
    FrameColumn(
        "annotators",
        "str",
        "how often one annotator agrees with the majority of the others, in words",
        lambda run, scores: scores.annotators or None,
    ),
    FrameColumn("human", "float64", "the same as a share", lambda run, scores: scores.human),
    FrameColumn(
        "human_of",
        "object",
        "the same by true class, a mapping; empty where not known",
        lambda run, scores: scores.human_of,
    ),
    FrameColumn("absent", "object", "a tuple of classes without a sample", lambda run, scores: tuple(scores.absent)),
)


def evaluations(runs: Iterable[Summary], *, spread: bool = True) -> pd.DataFrame:
    """One row an evaluation; a run without any has one row, in which ``evaluation`` is missing.

    Columns are `RUN_COLUMNS` and `EVALUATION_COLUMNS`; then the settings: components by section (``model``, ``loss``),
    their options and the fields of ``[data]`` and ``[training]`` by dotted key (``optimizer.lr``), and what was done at
    test time (``evaluation.tta``); then the metrics, and ``precision:CLASS``, ``recall:CLASS`` and ``f1:CLASS`` of each
    class. A metric that is called as a column before it is ``measured_NAME``. The index numbers the rows.

    Args:
        runs: summaries, as the index has them.
        spread: settings and metrics are columns of their own; else there is one, ``settings``, of mappings by key,
            which the runs of a configuration share, and `metrics` has the rest.
    """
    import pandas as pd

    pairs = _pairs(runs)
    columns: dict[str, Any] = {}
    for of_run in RUN_COLUMNS:
        columns[of_run.key] = _array([of_run.value(run) for run, _ in pairs], of_run.dtype)
    for of_test in EVALUATION_COLUMNS:
        given = [None if scores is None else of_test.value(run, scores) for run, scores in pairs]
        columns[of_test.key] = _array(given, of_test.dtype)
    if spread:
        columns |= _settings([run.settings for run, _ in pairs])
        columns |= _settings([_options(scores) for _, scores in pairs])
        measured = _metrics(pairs)
        columns |= {f"measured_{key}" if key in columns else key: numbers for key, numbers in measured.items()}
    else:
        asked = [(run.settings, _options(scores)) for run, scores in pairs]
        columns["settings"] = _array([own | options if options else own for own, options in asked], "object")
    return pd.DataFrame(columns)


def metrics(runs: Iterable[Summary]) -> pd.DataFrame:
    """What was measured, with the rows of `evaluations`: a column float64 for each metric, and ``precision:CLASS``,
    ``recall:CLASS`` and ``f1:CLASS`` of each class, in the order of the records; NaN where an evaluation has none.

    Args:
        runs: summaries, as the index has them.
    """
    import pandas as pd

    pairs = _pairs(runs)
    return pd.DataFrame(_metrics(pairs), index=range(len(pairs)))


def values_of(column: pd.Series) -> list[Any]:
    """The values of a column as plain ones; None where one is missing."""
    return [None if gone else value for value, gone in zip(column.tolist(), column.isna(), strict=True)]


def _pairs(runs: Iterable[Summary]) -> list[tuple[Summary, Scores | None]]:
    return [(run, scores) for run in runs for scores in (run.scores or (None,))]


def _metrics(pairs: Sequence[tuple[Summary, Scores | None]]) -> dict[str, Any]:
    return _numbers([{} if scores is None else scores.values for _, scores in pairs])


def samples(given: Predictions, class_names: Sequence[str]) -> pd.DataFrame:
    """One row a sample, in the order of the predictions.

    Columns: ``id``; ``true`` and ``predicted``, categories in the order of class ids; ``probability:CLASS`` of each
    class; ``valence_true``, ``arousal_true``, ``valence`` and ``arousal`` where they are known; ``votes:NAME`` for each
    thing that annotators could vote for, where their votes are known as they were cast; and what else is known
    of the samples (subject, clip, source, part), as ``column:NAME`` where a column before it is called so.

    Args:
        given: the predictions of an evaluation.
        class_names: K names in the order of class ids.
    """
    import numpy as np
    import pandas as pd

    names = pd.CategoricalDtype(list(class_names))
    columns: dict[str, Any] = {
        "id": _array(given.ids.tolist(), "str"),
        "true": pd.Categorical.from_codes(given.truth.astype(np.int64), dtype=names),
        "predicted": pd.Categorical.from_codes(given.predicted, dtype=names),
        **{f"probability:{name}": given.probabilities[:, k] for k, name in enumerate(class_names)},
    }
    for suffix, affect in (("_true", given.affect_truth), ("", given.affect)):
        if affect is not None:
            columns |= {f"{name}{suffix}": affect[:, place] for place, name in enumerate(("valence", "arousal"))}
    if given.cast_votes is not None:
        columns |= {f"votes:{name}": given.cast_votes[:, place] for place, name in enumerate(given.vote_names)}
    for name, values in given.columns.items():
        known = [value or None for value in values.tolist()]
        columns[f"column:{name}" if name in columns else name] = _array(known, "str")
    return pd.DataFrame(columns)


def epochs(history: Iterable[Epoch]) -> pd.DataFrame:
    """One row an epoch.

    Columns: ``epoch``, ``best``, ``learning_rate`` (of the first group of parameters), ``seconds``,
    ``images_per_second``, and every metric as ``train.NAME`` and ``validation.NAME``, ``validation.f1:CLASS`` among
    them.

    Args:
        history: of a run.
    """
    import pandas as pd

    several = list(history)
    columns: dict[str, Any] = {
        "epoch": _array([epoch.epoch for epoch in several], "Int64"),
        "best": _array([epoch.best for epoch in several], "boolean"),
        "learning_rate": _array([next(iter(epoch.learning_rates), None) for epoch in several], "float64"),
        "seconds": _array([epoch.seconds for epoch in several], "float64"),
        "images_per_second": _array([epoch.images_per_second for epoch in several], "float64"),
    }
    for split in ("train", "validation"):
        parts = [getattr(epoch, split) for epoch in several]
        by_name = _numbers([part.metrics | {f"f1:{name}": value for name, value in part.f1.items()} for part in parts])
        columns |= {f"{split}.{name}": numbers for name, numbers in by_name.items()}
    return pd.DataFrame(columns)


def classes(evaluation: EvaluationEntry) -> pd.DataFrame:
    """One row a class, in the order of class ids.

    Columns: ``class``, ``precision``, ``recall``, ``f1``, ``support``, ``roc_auc``, ``pr_auc``.
    """
    import pandas as pd

    scores = list(evaluation.per_class.values())
    columns = {"class": _array(list(evaluation.per_class), "str")}
    for key in ("precision", "recall", "f1", "support", "roc_auc", "pr_auc"):
        dtype = "Int64" if key == "support" else "float64"
        columns[key] = _array([getattr(of_class, key) for of_class in scores], dtype)
    return pd.DataFrame(columns)


def confusion(matrix: Sequence[Sequence[int]], class_names: Sequence[str]) -> pd.DataFrame:
    """Samples by true class (the index, ``true``) and predicted class (the columns, ``predicted``), K × K."""
    import pandas as pd

    true, predicted = (pd.Index(list(class_names), dtype="str", name=name) for name in ("true", "predicted"))
    return pd.DataFrame(matrix, index=true, columns=predicted, dtype="int64")


def _how(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in options.items())


def _options(scores: Scores | None) -> dict[str, Any]:
    return {} if scores is None else {f"evaluation.{key}": value for key, value in scores.options.items()}


def _settings(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A column for each key; runs of one configuration share their settings, which are looked at once."""
    import numpy as np

    unlike = {id(settings): settings for settings in several}
    places = dict(zip(unlike, range(len(unlike)), strict=True))
    codes = np.fromiter((places[id(settings)] for settings in several), np.int64, len(several))
    keys = dict.fromkeys(key for layout in {tuple(settings) for settings in unlike.values()} for key in sorted(layout))
    ordered = sorted(keys, key=lambda key: ("." in key, key))
    return {key: _plain([settings.get(key) for settings in unlike.values()]).take(codes) for key in ordered}


def _numbers(several: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """A column float64 for each name, NaN where a mapping lacks it; names in the order of the longest mappings."""
    import numpy as np

    layouts: dict[tuple[str, ...], list[int]] = {}
    for place, values in enumerate(several):
        layouts.setdefault(tuple(values), []).append(place)
    names = dict.fromkeys(name for layout in sorted(layouts, key=len, reverse=True) for name in layout)
    columns = {name: np.full(len(several), np.nan) for name in names}
    for layout, places in layouts.items():
        numbers = np.array([list(several[place].values()) for place in places], dtype=np.float64)
        for number, name in enumerate(layout):
            columns[name][places] = numbers[:, number]
    return columns


def _array(values: Sequence[Any], dtype: str) -> Any:
    """Values as an array of a dtype; None is missing."""
    import numpy as np
    import pandas as pd

    if dtype != "object":
        return pd.array(values, dtype=dtype)
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _plain(values: Sequence[Any]) -> Any:
    """Values of a setting as an array: of booleans, counts or numbers where all that are known are; else objects."""
    kinds = {type(value) for value in values if value is not None}
    for of, dtype in (({bool}, "boolean"), ({int}, "Int64"), ({int, float}, "float64"), ({str}, "str")):
        if kinds and kinds <= of:
            return _array(values, dtype)
    return _array(values, "object")
