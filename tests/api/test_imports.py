"""Predictions of other software, from Python."""

from __future__ import annotations

import pytest

import ferbench as fb


def test_predictions_of_a_frame_are_a_result(results):
    like = fb.load_run("good-0", results)
    frame = like.predictions("test").sample(frac=1, random_state=0)
    theirs = fb.import_predictions(frame, like=like, name="theirs")
    assert theirs.kind == "imported"
    assert theirs.metrics()["accuracy"] == pytest.approx(like.metrics()["accuracy"])
    assert theirs.metrics()["log_loss"] is not None
    with pytest.raises(fb.UserError, match="the frame does not fit the test set"):
        fb.import_predictions(frame.head(3), like=like, name="few")
    with pytest.raises(fb.UserError, match="what are these predictions called"):
        fb.import_predictions(frame, like=like)


def test_classes_are_enough_whatever_their_dtype(results):
    like = fb.load_run("good-0", results)
    frame = like.predictions("test").set_index("id")
    assert str(frame["predicted"].dtype) == "category"
    theirs = fb.import_predictions(frame[["predicted"]], like="good-0", name="theirs", results=results)
    assert theirs.metrics()["accuracy"] == pytest.approx(like.metrics()["accuracy"])
    assert "log_loss" not in theirs.metrics()
    again = fb.import_predictions(frame[["predicted"]], like=like, name="theirs")
    assert (theirs.reused, again.reused, again.id) == (False, True, theirs.id)


def test_ids_and_test_sets_are_named_once(results):
    like = fb.load_run("good-0", results)
    frame = like.predictions("test")[["id", "predicted"]]
    frame.loc[1, "id"] = frame.loc[0, "id"]
    with pytest.raises(fb.UserError, match=r"the frame, row 1: the id '.*' stands there twice"):
        fb.import_predictions(frame, like=like, name="twice")
    with pytest.raises(fb.UserError, match="which test set are they of"):
        fb.import_predictions(frame, name="whose")
