"""Predictions of other software as a run."""

from __future__ import annotations

import tempfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.api.given import checked
from ferbench.api.results import Run, load_run
from ferbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from ferbench.runs.imported import Given, KnownTestSet


@checked
def import_predictions(
    predictions: pd.DataFrame | str | PathLike[str],
    *,
    like: Run | str,
    name: str | None = None,
    model: str = "elsewhere",
    seed: int = 0,
    contaminated: str = "",
    results: str | PathLike[str] | None = None,
) -> Run:
    """Take in predictions that other software made, so that they can be ranked and compared.

    Args:
        predictions: a frame, or a CSV file, with ``id`` (sample ids of the test set, in any order) and either
            ``predicted`` (the class) or a probability for each class (its name, or ``probability:CLASS``). A column
            ``true`` is checked.
        like: a run that was measured on that test set, or its name.
        name: of the result; seeds of one name are one configuration. None: the file's.
        model: what made the predictions.
        seed: of the training.
        contaminated: why it says nothing of unseen samples, where that is so; it then gets no rank.
        results: the results directory; None: that of ``like``, or ``results``.

    Raises:
        UserError: ids or classes are not exactly those of the test set, or there are other predictions of that name.
    """
    from ferbench.experiment.settings import check_run_name
    from ferbench.runs.imported import import_predictions as imported
    from ferbench.runs.imported import known_test_set

    known = like if isinstance(like, Run) else load_run(like, results or "results")
    place = Path(results) if results is not None else known.results
    is_file = isinstance(predictions, (str, PathLike))
    chosen = name if name is not None else Path(predictions).stem if is_file else None
    if chosen is None:
        raise UserError("what are these predictions called?", "give name='their-model'")
    check_run_name(chosen)
    test = known_test_set(known.directory)
    directory, _ = imported(
        place, _read(predictions, test), test, name=chosen, model=model, seed=seed, contaminated=contaminated
    )
    return Run(directory.path)


def _read(predictions: pd.DataFrame | str | PathLike[str], test: KnownTestSet) -> Given:
    from ferbench.runs.imported import read_predictions

    if isinstance(predictions, (str, PathLike)):
        return read_predictions(Path(predictions), test)
    frame = predictions if predictions.index.name is None else predictions.reset_index()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.csv"
        frame.to_csv(path, index=False)
        try:
            return read_predictions(path, test)
        except UserError as error:
            raise UserError(error.message.replace(str(path), "the frame"), error.remedy) from error
