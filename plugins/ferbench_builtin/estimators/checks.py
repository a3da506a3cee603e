"""What the built-in estimators cannot be fitted on, said before they are."""

from __future__ import annotations

import importlib.util

from ferbench import Task, UserError


def check_components(task: Task, components: int) -> None:
    """Refuse more principal components than there can be.

    Raises:
        UserError: naming how many there can be.
    """
    most = min(sum(task.train_counts), task.channels * task.height * task.width)
    if components > most:
        raise UserError(
            f"model.components = {components}, but {sum(task.train_counts)} training images of "
            f"{task.channels}×{task.height}×{task.width} have {most}",
            f"set model.components to {most} or fewer",
        )


def check_folds(task: Task, folds: int) -> None:
    """Refuse to calibrate on more folds than a class has training samples.

    Raises:
        UserError: naming the class.
    """
    for name, count in zip(task.class_names, task.train_counts, strict=True):
        if 0 < count < folds:
            raise UserError(
                f"class '{name}' has {count} training sample{'s' if count > 1 else ''}, and probabilities are "
                f"calibrated on {folds} folds",
                "give it more, or leave the class out with data.classes",
            )


def check_skimage() -> None:
    """Refuse to go on without scikit-image.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec("skimage") is None:
        raise UserError("this model needs scikit-image, which is not installed", "pip install 'ferbench[classical]'")
