"""What a sampler's builder is given by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferbench.experiment.resolve import resolve
from ferbench.experiment.sampling import build_sampler
from ferbench.plugin.discovery import load_registry
from ferbench.task import Task

HEAD = """
import ferbench

@ferbench.hookimpl
def ferbench_samplers():
    yield ferbench.SamplerSpec("asking", build="asking:build")

"""


def built(folder: Path, text: str, **options: Any) -> Any:
    (folder / "asking.py").write_text(HEAD + text)
    settings = {
        "dataset": {"name": "synthetic-faces"},
        "sampler": {"name": "asking", **options},
        "training": {"batch_size": 24, "epochs": 7, "seed": 5},
    }
    resolved = resolve(settings, load_registry([str(folder / "asking.py")]))
    given = build_sampler(resolved, np.zeros(3, dtype=np.int64), Task(("happy",), 1, 8, 8, (3,)))
    return given, resolved.components["sampler"].options


def test_the_batch_size_and_the_epochs_of_the_training_are_given_and_are_no_options(tmp_path):
    text = (
        "def build(labels, task, *, seed, batch_size, epochs, power: float = 1.0):\n    return seed, batch_size, epochs"
    )
    assert built(tmp_path, text) == ((5, 24, 7), {"power": 1.0})


def test_a_builder_is_given_no_more_than_it_asks_for(tmp_path):
    assert built(tmp_path, "def build(labels, task, *, seed, epochs):\n    return seed, epochs\n") == ((5, 7), {})


def test_one_with_a_default_is_an_option_of_the_samplers_own(tmp_path):
    text = "def build(labels, task, *, seed, epochs: int = 3, batch_size: int = 4):\n    return epochs, batch_size\n"
    assert built(tmp_path, text, epochs=2) == ((2, 4), {"epochs": 2, "batch_size": 4})


@pytest.mark.parametrize("value", [2, 9])
def test_so_is_one_without_in_a_plugin_that_was_written_before(tmp_path, value):
    text = "FERBENCH_API = 1\ndef build(labels, task, *, seed, epochs: int):\n    return seed, epochs\n"
    assert built(tmp_path, text, epochs=value) == ((5, value), {"epochs": value})
