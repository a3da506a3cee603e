"""What is shown while a pack is made or compared, and how long a run has left."""

from __future__ import annotations

import time

import pytest

from ferbench.cli.progress import LineProgress, PackingProgress
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
