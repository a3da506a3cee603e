"""A batch of one sample at the end of an epoch, in the ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_packs import make_pack

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan, plan
from ferbench.experiment.resolve import resolve
from ferbench.plugin.discovery import load_registry
from ferbench.training.assemble import check_epochs

CLASSES = ("angry", "happy", "sad")
COUNTS = {part: dict.fromkeys(CLASSES, n) for part, n in (("train", 11), ("validation", 4), ("test", 4))}
SAMPLERS = """
import numpy as np
import ferbench


@ferbench.hookimpl
def ferbench_samplers():
    yield ferbench.SamplerSpec("half", build="samplers:Half")
    yield ferbench.SamplerSpec("broken", build="samplers:Broken")


class Half:
    def __init__(self, labels, task, *, seed):
        self.n = len(labels) // 2 + 1

    def indices(self, epoch):
        return np.arange(self.n)

    def update(self, scores): ...
    def state_dict(self): return {}
    def load_state_dict(self, state): ...


class Broken(Half):
    def indices(self, epoch):
        raise ZeroDivisionError("a bug in the plugin")
"""


def planned(sampler: str = "shuffled", plugins: tuple[str, ...] = (), **training: Any) -> Plan:
    """Of 33 training samples."""
    settings = {
        "dataset": {"name": "folder"},
        "model": {"name": "linear"},
        "sampler": {"name": sampler},
        "data": {"image_size": 8},
        "training": training,
    }
    return plan(resolve(settings, load_registry(plugins)), make_pack(COUNTS, classes=CLASSES))


@pytest.fixture
def plugin(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "samplers.py"
    path.write_text(SAMPLERS)
    return (str(path),)


@pytest.mark.parametrize("batch_size", [2, 4, 8, 16, 32])
def test_the_ids_cover_that_a_last_sample_joins_the_batch_before_it(batch_size):
    """What an earlier version trained with a batch of one is other weights, and must have another id."""
    made = planned(batch_size=batch_size)
    assert made.identity["last_batch"] == "joined"
    assert made.config_id != planned(batch_size=batch_size, epochs=0).config_id


@pytest.mark.parametrize(
    "settings", [{"batch_size": n} for n in (1, 3, 17, 33, 128)] + [{"batch_size": 16, "epochs": 0}]
)
def test_all_other_recipes_keep_their_ids(settings):
    assert set(planned(**settings).identity) == {"numerics", "components", "rows", "data", "training"}


@pytest.mark.parametrize(("batch_size", "joins"), [(16, True), (8, True), (17, False), (15, False)])
def test_it_is_the_samplers_epoch_that_counts(plugin, batch_size, joins):
    made = planned("half", plugin, batch_size=batch_size)
    assert made.lengths.samples == (17,)
    assert ("last_batch" in made.identity) is joins


def test_a_sampler_that_breaks_is_planned_and_left_for_its_run_to_fail(plugin):
    assert planned("broken", plugin).lengths.samples == (33,)


def test_a_sampler_whose_options_do_not_fit_the_task_is_refused_at_once():
    settings = {"dataset": {"name": "folder"}, "sampler": {"name": "weighted", "emphasis": {"none": 2.0}}}
    with pytest.raises(UserError, match=r"sampler\.emphasis"):
        plan(resolve(settings, load_registry()), make_pack(COUNTS, classes=CLASSES))


TOLD = (
    SAMPLERS.split("class Half")[0]
    + """
class Half:
    def __init__(self, labels, task, *, seed):
        self.n = len(labels)

    def indices(self, epoch):
        return np.arange(self.n)[: 8 * epoch]

    def update(self, scores): ...
    def state_dict(self): return {}
    def load_state_dict(self, state): ...
    def lengths(self, epochs):
        return GIVEN
"""
)


def told(tmp_path: Path, given: str) -> tuple[str, ...]:
    path = tmp_path / "samplers.py"
    path.write_text(TOLD.replace("GIVEN", given))
    return (str(path),)


def test_lengths_that_a_sampler_tells_are_planned(tmp_path):
    made = planned("half", told(tmp_path, "[8 * epoch for epoch in range(1, epochs + 1)]"), epochs=3, batch_size=5)
    assert (made.lengths.samples, made.lengths.batches) == ((8, 16, 24), (2, 3, 5))
    assert made.identity["last_batch"] == "joined"  # of the second


def test_of_no_epochs_no_lengths_are_asked_for(tmp_path):
    assert planned("half", told(tmp_path, "1 / 0"), epochs=0).lengths.samples == (8,)


@pytest.mark.parametrize("given", ["[8]", "[8, 16, 0]", "[8.0, 16.0, 24.0]", "None", "'long'", "[8, 16, 10**15]"])
def test_lengths_that_are_none_are_left_for_the_run_to_refuse(tmp_path, given):
    made = planned("half", told(tmp_path, given), epochs=3)
    assert made.lengths.samples == (33,)
    with pytest.raises(
        UserError, match="as the lengths of 3 epochs, not a whole number from 1 to 1,000,000,000 for each"
    ):
        check_epochs(made, made.split.labels[made.split.train])


def test_a_sampler_that_draws_nothing_is_refused(tmp_path):
    path = tmp_path / "samplers.py"
    path.write_text(TOLD.replace("def indices", "def draws").replace("def lengths", "def spans"))
    made = planned("half", (str(path),), epochs=1)
    with pytest.raises(UserError, match="has neither indices"):
        check_epochs(made, made.split.labels[made.split.train])
