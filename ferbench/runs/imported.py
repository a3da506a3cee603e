"""Predictions of other software as a run: checked against a known test set, then scored as any other."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferbench.data.class_mapping import find_class
from ferbench.errors import UserError
from ferbench.ids import digest, short
from ferbench.kinds import REQUIRED
from ferbench.metrics.probabilities import predicted_classes, with_predicted
from ferbench.metrics.scoring import decisions_record, scores_record
from ferbench.records.environment import Environment
from ferbench.records.evaluation import Evaluation, EvaluationEntry, evaluation_id
from ferbench.records.lineage import Lineage
from ferbench.records.run import AskedRecipe, Component, Data, Identity, Run
from ferbench.runs.directory import RunDirectory, all_runs, run_path
from ferbench.runs.lock import only_writer
from ferbench.runs.predictions import Predictions
from ferbench.runs.summary import ELSEWHERE
from ferbench.tables.reading import ID_COLUMNS, column_called, read_samples

if TYPE_CHECKING:
    import pandas as pd

PREDICTED = ("predicted", "prediction", "predicted_class", "pred")
TRUE = ("true", "truth", "true_class", "label")
_PREFIXES = ("probability:", "probability_", "prob_", "p_")
#: Columns of these names say something of a sample; that of a class of such a name needs a prefix.
_TAKEN = (*ID_COLUMNS, *PREDICTED, *TRUE)
#: How far the probability of a stated class may be below the highest one: what float32 does not tell apart.
_TIE = 1e-6
#: How far a row of probabilities may be from 1: they may be printed with two decimals.
_SUM = 0.02


@dataclass(frozen=True)
class KnownTestSet:
    """A test set that ferbench knows.

    Attributes:
        ids: text[n].
        truth: int64[n] class ids.
        class_names: K names.
        rows_digest: what makes two test sets the same.
        dataset: its name.
        protocol: how it was split.
        synthetic: the images are generated.
        columns: what else is known of the samples, text[n] by name.
    """

    ids: NDArray[np.str_]
    truth: NDArray[np.int64]
    class_names: tuple[str, ...]
    rows_digest: str
    dataset: str
    protocol: str
    synthetic: bool
    columns: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """What a file of predictions says, in the order of the test set.

    Attributes:
        probabilities: float32[n, K]; 1 for the predicted class where the file has classes only. They predict what the
            file states: of equal ones that of the stated class was raised by the least that float32 can show.
        hard: it has classes only.
    """

    probabilities: NDArray[np.float32]
    hard: bool


def known_test_set(directory: RunDirectory) -> KnownTestSet:
    """The test set of a finished run.

    Raises:
        UserError: it has no test of its own, or its predictions are gone.
    """
    record = directory.load()
    own = record.own_evaluations("test")
    if not own:
        raise UserError(
            f"run {directory.path.name} was not measured on a test set", "name a finished run that is no fold"
        )
    name, entry = next(iter(own.items()))
    evaluation, predictions = directory.load_evaluation(name), directory.predictions(name)
    return KnownTestSet(
        predictions.ids,
        predictions.truth.astype(np.int64),
        tuple(record.data.class_names if evaluation is None else evaluation.class_names),
        entry.rows_digest,
        record.data.dataset,
        record.data.protocol,
        record.data.synthetic,
        predictions.columns,
    )


def read_predictions(path: Path, test: KnownTestSet) -> Given:
    """Predictions from a CSV with a column of sample ids: see `predictions_of`.

    Raises:
        UserError: the file cannot be used, or its ids, classes or labels are not those of the test set.
    """
    return predictions_of(read_samples(path), test, str(path))


def predictions_of(table: pd.DataFrame, test: KnownTestSet, where: str) -> Given:
    """Predictions from a table of text with a row a sample, by its id, and either the predicted class or a probability
    for each class.

    Args:
        table: the table.
        test: what they are of.
        where: what messages begin with.

    Raises:
        UserError: ids, classes or labels are not those of the test set.
    """
    table = _in_order(where, table, test)
    true = column_called(table.columns, TRUE, where)
    if true is not None:
        _check_truth(where, true, table[true].tolist(), test)
    columns = _probability_columns(where, table.columns.tolist(), test)
    predicted = column_called(table.columns, PREDICTED, where)
    if columns is None and predicted is None:
        raise UserError(
            f"{where} has neither a column 'predicted' nor one for each class",
            f"name a column 'predicted', or columns {', '.join(map(_column_of, test.class_names))} with probabilities",
        )
    classes = None if predicted is None else _classes(where, predicted, table[predicted].tolist(), test)
    if columns is None:
        assert classes is not None
        hard = np.zeros((len(table), len(test.class_names)), dtype=np.float32)
        hard[np.arange(len(table)), classes] = 1
        return Given(hard, True)
    probabilities = _probabilities(where, table[columns])
    if classes is None:
        classes = predicted_classes(probabilities)
    own, highest = probabilities[np.arange(len(table)), classes], probabilities.max(axis=1)
    if unlike := int((own < highest * (1 - _TIE)).sum()):
        raise UserError(
            f"{where}: in {unlike:,} rows the predicted class is not the most probable one",
            "leave out one of the two, or write the columns in the order of their classes",
        )
    return Given(with_predicted(probabilities.astype(np.float32), classes), False)


def _in_order(where: str, table: pd.DataFrame, test: KnownTestSet) -> pd.DataFrame:
    known = test.ids.tolist()
    lacking = [sample for sample in known if sample not in table.index]
    extra = sorted({*table.index} - {*known})
    if lacking or extra:
        examples = [f"{what} '{some[0]}'" for what, some in (("missing", lacking), ("unknown", extra)) if some]
        raise UserError(
            f"{where} does not fit the test set of {test.dataset} ({test.protocol}, n = {len(known):,}): "
            f"{len(lacking):,} of its samples are missing and {len(extra):,} ids are unknown ({', '.join(examples)})",
            "write one line for each sample of that test set, under its id there",
        )
    return table.loc[known]


def _classes(where: str, column: str, texts: Sequence[str], test: KnownTestSet) -> NDArray[np.int64]:
    places = {text: find_class(text, test.class_names) for text in dict.fromkeys(texts)}
    unknown = sorted(text for text, place in places.items() if place is None)
    if unknown and find_class(column, test.class_names) is not None:
        raise UserError(
            f"{where}: '{column}' is a class of the test set, and the column of that name is read as classes of "
            "samples",
            f"call the column of the class's probability {_column_of(column)}",
        )
    if unknown:
        shown = ", ".join(text or "(empty)" for text in unknown[:5])
        raise UserError(
            f"{where}: column '{column}' has classes that the test set does not have: {shown}",
            f"write names, not numbers: {', '.join(test.class_names)}",
        )
    return np.array([places[text] for text in texts], dtype=np.int64)


def _check_truth(where: str, column: str, texts: Sequence[str], test: KnownTestSet) -> None:
    wrong = int((_classes(where, column, texts, test) != test.truth).sum())
    if wrong:
        raise UserError(
            f"{where}: {wrong:,} of {len(texts):,} true classes are not those of the test set",
            "predictions and labels may have been written in unlike orders; write both under the sample's id",
        )


def _probability_columns(where: str, header: Sequence[str], test: KnownTestSet) -> list[str] | None:
    """A column for each class, in the order of the test set; None where there is none at all.

    A column that is called exactly as a class is that class's; only another one may have a prefix in front.
    """
    columns: dict[int, str] = {}
    for name in header:
        if name.lower() in _TAKEN:
            continue
        prefix = next((start for start in _PREFIXES if name.lower().startswith(start)), "")
        prefix = "" if name in test.class_names else prefix
        place = find_class(name[len(prefix) :], test.class_names)
        place = find_class(name, test.class_names) if place is None else place
        if place is None:
            if prefix:
                raise UserError(
                    f"{where}: column '{name}' names no class of the test set",
                    f"classes: {', '.join(test.class_names)}",
                )
            continue
        if place in columns:
            raise UserError(f"{where}: columns '{columns[place]}' and '{name}' are of one class", "leave one out")
        columns[place] = name
    if not columns:
        return None
    lacking = [name for place, name in enumerate(test.class_names) if place not in columns]
    if lacking:
        raise UserError(
            f"{where} has no probability of {', '.join(lacking)}",
            f"write a column for each class of the test set: {', '.join(map(_column_of, test.class_names))}",
        )
    return [columns[place] for place in range(len(test.class_names))]


def _column_of(name: str) -> str:
    """What the column of a class may be called."""
    return f"{_PREFIXES[2]}{name}" if name.lower() in _TAKEN else name


def _probabilities(where: str, table: pd.DataFrame) -> NDArray[np.float64]:
    try:
        values = table.to_numpy(dtype=np.float64)
    except ValueError as error:
        raise UserError(f"{where}: a probability is no number: {error}", "write numbers between 0 and 1") from error
    sums = values.sum(axis=1)
    if not (values >= 0).all() or not (np.abs(sums - 1) <= _SUM).all():
        raise UserError(
            f"{where}: the classes' columns are no probabilities: rows sum to {sums.min():.3g} to {sums.max():.3g}",
            "write probabilities that sum to 1; divide percentages by 100, and of logits take the softmax",
        )
    return np.asarray(values / sums[:, None])


def import_predictions(
    results: Path, given: Given, test: KnownTestSet, *, name: str, model: str, seed: int, contaminated: str = ""
) -> tuple[RunDirectory, bool]:
    """Write predictions as a run, unless they are there already.

    Args:
        results: the results directory.
        given: the predictions.
        test: what they are of.
        name: of the result; those of one name and unlike seeds are one configuration.
        model: what made them.
        seed: of the training.
        contaminated: why the result says nothing of unseen samples, where that is so.

    Returns:
        Its run directory, and whether it was there.

    Raises:
        UserError: there are other predictions under that name and seed on that test set, or it is no seed.
    """
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise UserError(f"seed {seed!r} is none", f"give a whole number, at least 0 and less than {2**32}")
    content = hashlib.sha256(np.ascontiguousarray(given.probabilities).tobytes()).hexdigest()
    config = digest({"kind": "imported configuration", "name": name, "model": model})
    covers = {"kind": "import", "config": config, "seed": seed, "rows_digest": test.rows_digest, "predictions": content}
    training = digest(covers)
    directory = RunDirectory(run_path(results, short(training)))
    _refuse_twin(results, directory, config, seed, test)
    with only_writer(directory):
        if directory.exists() and directory.load().kind == "imported":
            return directory, True
        predictions = Predictions(test.ids, test.truth, given.probabilities, columns=test.columns)
        if given.hard:
            scores = decisions_record(test.truth, predicted_classes(given.probabilities), test.class_names)
        else:
            scores = scores_record(test.truth, given.probabilities, test.class_names)
        options = {"tta": "none"}
        evaluation = Evaluation(
            evaluation_id=evaluation_id(training, test.rows_digest, options),
            training_id=training,
            split="test",
            rows_digest=test.rows_digest,
            options=options,
            dataset=test.dataset,
            synthetic=test.synthetic,
            protocol=test.protocol,
            **scores,
        )
        if contaminated:
            evaluation.contaminated = contaminated
        made = _record(test, name, model, seed, Identity(training_id=training, config_id=config, covers=covers), {})
        entry = directory.save_evaluation(evaluation, predictions, of=made)
        made.evaluations[short(evaluation.evaluation_id)] = entry
        directory.save(made)
    return directory, False


def expected(record: Run, stored: Evaluation, predictions: Predictions) -> Run:
    """The record that an import of these predictions gives; time and machine apart.

    Args:
        record: says under what name, of what model and with what seed.
        stored: of the evaluation, its ``metrics.json``.
        predictions: of it.
    """
    test = KnownTestSet(
        predictions.ids,
        predictions.truth,
        tuple(stored.class_names),
        stored.rows_digest,
        stored.dataset or record.data.dataset,
        stored.protocol or record.data.protocol,
        record.data.synthetic if stored.synthetic is None else stored.synthetic,
    )
    name, model = record.recipe.name or record.name or "", record.components["model"].name
    return _record(test, name, model, record.seed, record.identity, record.evaluations)


def _refuse_twin(results: Path, directory: RunDirectory, config: str, seed: int, test: KnownTestSet) -> None:
    for run in all_runs(results):
        try:
            record = run.load()
        except UserError:
            continue
        if record.kind != "imported" or run.path.name == directory.path.name:
            continue
        same = record.identity.config_id == config and record.seed == seed
        if same and any(entry.rows_digest == test.rows_digest for entry in record.evaluations.values()):
            raise UserError(
                f"other predictions of '{record.name}', seed {seed}, were imported as run {run.path.name}",
                "give another --name, the --seed that they were trained with, or remove that run",
            )


def _record(
    test: KnownTestSet, name: str, model: str, seed: int, identity: Identity, evaluations: dict[str, EvaluationEntry]
) -> Run:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    names = {**dict.fromkeys(REQUIRED, ELSEWHERE), "dataset": test.dataset, "model": model}
    counts = np.bincount(test.truth, minlength=len(test.class_names)).tolist()
    return Run(
        kind="imported",
        name=name,
        status="done",
        started=now,
        finished=now,
        identity=identity,
        recipe=AskedRecipe.model_validate(
            {
                "name": name,
                **{section: {"name": component} for section, component in names.items()},
                "trackers": [],
                "data": {"protocol": test.protocol},
                "training": {"seed": seed},
            }
        ),
        components={
            section: Component(name=component, distribution=ELSEWHERE, version="", source=None, options={})
            for section, component in names.items()
        },
        data=Data(
            dataset=test.dataset,
            synthetic=test.synthetic,
            protocol=test.protocol,
            fold=None,
            class_names=list(test.class_names),
            has_affect=False,
            counts={"train": {}, "test": dict(zip(test.class_names, counts, strict=True))},
            test_digest=test.rows_digest,
            skipped_faulty=0,
            notes={},
        ),
        environment=Environment(
            python=platform.python_version(),
            platform=platform.platform(),
            packages={distribution: version(distribution) for distribution in ("ferbench", "numpy")},
        ),
        lineage=Lineage(parents=[]),
        evaluations=evaluations,
    )
