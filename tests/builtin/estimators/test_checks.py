"""What the built-in estimators refuse before they are fitted."""

from __future__ import annotations

import dataclasses
import importlib.util

import pytest

from ferbench import Task, UserError
from ferbench_builtin.estimators.components import eigenfaces_svm, logistic
from ferbench_builtin.estimators.textures import hog_svm, lbp_svm

TASK = Task(("a", "b"), 1, 16, 16, (30, 20))


@pytest.mark.parametrize(
    ("builder", "task", "options", "message"),
    [
        (logistic, TASK, {"components": 51}, "50 training images of 1×16×16 have 50"),
        (
            eigenfaces_svm,
            dataclasses.replace(TASK, train_counts=(60, 1)),
            {"components": 5},
            "class 'b' has 1 training",
        ),
        (hog_svm, TASK, {"cell": 9}, "a block of 2×2 cells of 9 pixels is larger than images of 16×16"),
        (lbp_svm, dataclasses.replace(TASK, channels=3), {}, "of gray images"),
        (lbp_svm, TASK, {"grid": 17}, "more cells than images of 16×16 have pixels"),
    ],
)
def test_options_that_do_not_fit_are_refused(builder, task, options, message):
    pytest.importorskip("skimage")
    with pytest.raises(UserError, match=message):
        builder(task, seed=0, **options)


@pytest.mark.parametrize("builder", [hog_svm, lbp_svm])
def test_without_scikit_image_the_extra_is_named(monkeypatch, builder):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as refused:
        builder(TASK, seed=0)
    assert "ferbench[classical]" in refused.value.remedy
