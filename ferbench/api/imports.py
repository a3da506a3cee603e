"""Predictions of other software as a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.api.given import checked
from ferbench.api.places import Places, chosen_dataset, quiet_preparer
from ferbench.api.results import Run, load_run
from ferbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from ferbench.experiment.prepare import Preparer
    from ferbench.runs.imported import KnownTestSet


@checked
def import_predictions(
    predictions: pd.DataFrame | str | PathLike[str],
    *,
    like: Run | str | None = None,
    dataset: str | None = None,
    data: Places = None,
    settings: Mapping[str, Any] | None = None,
    name: str | None = None,
    model: str = "elsewhere",
    seed: int = 0,
    contaminated: str = "",
    results: str | PathLike[str] | None = None,
    cache: str | PathLike[str] | None = None,
    plugins: Sequence[str] = (),
    preparer: Preparer | None = None,
) -> Run:
    """Take in predictions that other software made, so that they can be ranked and compared.

    Args:
        predictions: a frame, or a CSV file, with ``id`` (sample ids of the test set, in any order) and either
            ``predicted`` (the class) or a probability for each class (its name, or ``probability:CLASS``). A column
            ``true`` is checked.
        like: a run that was measured on that test set, or its name.
        dataset: or the name of the dataset whose test set it is.
        data: where its files are; of several datasets by name.
        settings: its options, and fields of ``data``, by dotted key.
        name: of the result; seeds of one name are one configuration. None: the file's.
        model: what made the predictions.
        seed: of the training.
        contaminated: why it says nothing of unseen samples, where that is so; it then gets no rank.
        results: the results directory; None: that of ``like``, or ``results``.
        cache: where packed datasets are kept; None: the user's cache.
        plugins: local plugins, as ``--plugin``.
        preparer: packs the dataset, in place of ``cache`` and ``plugins``.

    Raises:
        UserError: ids or classes are not exactly those of the test set, or there are other predictions of that name.
    """
    from ferbench.experiment.settings import check_run_name
    from ferbench.runs.imported import import_predictions as imported
    from ferbench.runs.imported import known_test_set, predictions_of, read_predictions

    if like is not None and dataset is not None:
        raise UserError("--like and --dataset each name a test set", "give one of them")
    if like is None and dataset is None:
        raise UserError(
            "which test set are they of?",
            "say --like RUN for that of a finished run, or --dataset NAME with --data DIR",
        )
    is_file = isinstance(predictions, (str, PathLike))
    chosen = name if name is not None else Path(predictions).stem if is_file else None
    if chosen is None:
        raise UserError("what are these predictions called?", "give name='their-model'")
    check_run_name(chosen)
    place = Path(results or "results")
    if like is not None:
        known = like if isinstance(like, Run) else load_run(like, place)
        place = place if results is not None else known.results
        test = known_test_set(known.directory)
    else:
        test = _test_set_of(str(dataset), data, settings, preparer or quiet_preparer(cache, plugins))
    if isinstance(predictions, (str, PathLike)):
        given = read_predictions(Path(predictions), test)
    else:
        given = predictions_of(_by_sample(predictions), test, "the frame")
    directory, reused = imported(place, given, test, name=chosen, model=model, seed=seed, contaminated=contaminated)
    return Run(directory.path, reused=reused)


def _by_sample(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as a file would be read: text, with a row a sample."""
    from ferbench.tables.reading import by_sample, refuse_repeated

    table = frame.reset_index(drop=frame.index.name is None).rename(columns=lambda name: str(name).strip())
    refuse_repeated(table.columns.tolist(), "the frame")
    text = table.astype(object).where(table.notna(), "").map(str)
    return by_sample(text.rename_axis(index="row"), "the frame")


def _test_set_of(dataset: str, data: Places, settings: Mapping[str, Any] | None, preparer: Preparer) -> KnownTestSet:
    """The test set of a dataset, packed as for a run."""
    import numpy as np

    from ferbench.data.class_mapping import match_classes
    from ferbench.data.tested_rows import asked_classes, choose_rows
    from ferbench.experiment.plan import split_request
    from ferbench.runs.imported import KnownTestSet

    resolved, spec = chosen_dataset(preparer, dataset, data, settings)
    pack = preparer.pack(resolved)
    request = split_request(resolved.recipe.data)
    class_names = asked_classes(pack, request)
    rows = choose_rows(pack, spec.protocols, request, "test", match_classes(class_names, class_names))
    return KnownTestSet(
        np.asarray(pack.ids[rows.rows]),
        rows.labels,
        class_names,
        rows.digest,
        pack.dataset,
        rows.protocol,
        spec.synthetic,
        pack.facts(rows.rows),
    )
