"""What is shown while a pack is made or compared, and how long a run has left."""

from __future__ import annotations

import time

import pytest

from ferbench.api.progress import NotebookProgress
from ferbench.cli.progress import LineProgress, PackingProgress, describe_epoch
from ferbench.records.epoch import Epoch, EpochScores


@pytest.mark.parametrize(("patience", "said"), [(0.0, 1), (60.0, 0)])
def test_a_pack_that_takes_long_to_compare_is_named_once(patience: float, said: int, capsys) -> None:
    with PackingProgress("affectnet", quiet=False, patience=patience) as progress:
        for images in (100, 200, 300, 400):
            progress.compared(images, 400)
    assert capsys.readouterr().err.count("comparing the 400 images of affectnet with what was packed: about") == said


def test_nothing_is_said_of_a_comparison_where_nothing_is_to_be_shown(capsys) -> None:
    with PackingProgress("affectnet", quiet=True, patience=0.0) as progress:
        progress.compared(100, 400)
        progress.compared(200, 400)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("lengths", "left"), [(None, 40), ((10, 10, 30), 80), ((30, 15, 15), 20)])
def test_the_time_left_is_that_of_the_images_that_are_left(monkeypatch, capsys, lengths, left) -> None:
    """The first of three epochs has taken 20 seconds."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    scores = EpochScores.model_validate({"loss": 1.0, "accuracy": 0.5, "macro_f1": 0.5, "f1": {}})
    progress = LineProgress("run", 3, quiet=False)
    if lengths is not None:
        progress.planned(lengths)
    now[0] += 20
    progress.epoch_ended(Epoch(epoch=1, train=scores, validation=scores))
    said = capsys.readouterr().err
    assert said.endswith({40: "40 s left\n", 80: "1 min 20 s left\n", 20: "20 s left\n"}[left]), said


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("macro_f1", "  accuracy 0.5000  macro-F1 0.2500 *  0 images/s"),
        ("accuracy", "  accuracy 0.5000 *  macro-F1 0.2500  0 images/s"),
        ("loss", "  validation loss 1.0000 *  accuracy 0.5000  macro-F1 0.2500  0 images/s"),
        ("worst-group", "  macro-F1 0.2500  worst-group 0.1250 *  0 images/s"),
        ("f1:sad", "  macro-F1 0.2500  f1:sad 0.3750 *  0 images/s"),
        ("recall:sad", "  macro-F1 0.2500  recall:sad *  0 images/s"),
    ],
)
def test_the_star_stands_behind_what_selects(select: str, said: str) -> None:
    values = {"loss": 1.0, "accuracy": 0.5, "macro_f1": 0.25, "worst-group": 0.125, "f1": {"sad": 0.375}}
    scores = EpochScores.model_validate(values)
    epoch = Epoch(epoch=1, train=scores, validation=scores, best=True)
    assert describe_epoch(epoch, 2, select).endswith(said)
    notebook = NotebookProgress("run", 2, select)
    notebook.epoch_ended(epoch)
    value = said.partition(f"{select} ")[2][:6]
    if select not in ("macro_f1", "recall:sad"):
        assert f"{select} {value}" in repr(notebook)
