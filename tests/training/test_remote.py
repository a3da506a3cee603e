"""A run that another process does."""

from __future__ import annotations

import json

import pytest

from ferbench.data.pack_cache import pack_dataset
from ferbench.errors import UserError
from ferbench.experiment.prepare import Preparer, pack_in
from ferbench.experiment.start import Start
from ferbench.plugin.discovery import load_registry
from ferbench.records.epoch import Epoch, EpochScores
from ferbench.runs.directory import RunDirectory
from ferbench.training.observer import Observer
from ferbench.training.position import Position
from ferbench.training.remote import Telling, job_of, pass_on, plan_of


class Noting(Observer):
    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def planned(self, images) -> None:
        self.calls.append(("planned", *images))

    def batch_done(self, *arguments) -> None:
        self.calls.append(arguments)

    def epoch_ended(self, epoch) -> None:
        self.calls.append(("epoch", epoch))

    def resumed(self, at) -> None:
        self.calls.append(("resumed", at.epoch, at.batches))

    def stopped(self, epoch, reason) -> None:
        self.calls.append(("stopped", epoch, reason))


def test_an_observer_is_called_as_the_one_in_the_other_process():
    epoch = Epoch(epoch=2, train=EpochScores(f1={"happy": 0.5}), validation=EpochScores(f1={}))
    told: list = []
    observer = Telling(lambda message: told.append(json.dumps(message)))
    assert len(told) == 1, "that it has begun"
    observer.planned((32, 64))
    observer.resumed(Position(epoch=2, batches=3))
    for images in (31, 32, 64):  # the second is too soon after the first to be seen
        observer.batch_done(2, images, 64, None)
    observer.epoch_ended(epoch)
    observer.stopped(2, "no gain")
    noting = Noting()
    for message in told:
        pass_on(json.loads(message), noting)
    expected = [("planned", 32, 64), ("resumed", 2, 3)]
    expected += [(2, 31, 64, None), (2, 64, 64, None), ("epoch", epoch), ("stopped", 2, "no gain")]
    assert noting.calls == expected


TABLES = {"dataset": {"train": 20, "test": 7, "size": 16}, "model": {"name": "linear"}}


@pytest.fixture(scope="module")
def prepares(tmp_path_factory) -> Preparer:
    cache = tmp_path_factory.mktemp("cache")
    registry = load_registry()
    dataset = registry.find("dataset", "synthetic-faces").builder()(None, train=20, test=7, size=16)
    pack_dataset(dataset, name="synthetic-faces", cache=cache)
    return Preparer(registry, pack_in(cache))


def test_a_job_makes_the_same_plan_again(prepares, tmp_path):
    plan = prepares.prepare(TABLES, None, reads_test=False)
    again = plan_of(json.loads(json.dumps(job_of(plan))), prepares)
    assert (again.training_id, again.start, again.reads_test) == (plan.training_id, None, False)
    names = plan.split.class_names
    start = Start(RunDirectory(tmp_path / "runs" / "a"), "a@best", None, "v1:t", "v1:c", "best", 3, "ab12", names)
    plan = prepares.prepare(TABLES, start)
    again = plan_of(json.loads(json.dumps(job_of(plan))), prepares)
    assert (again.training_id, again.start.given, again.start.class_names) == (plan.training_id, "a@best", names)
    assert again.start.directory.path == start.directory.path


def test_a_plan_that_became_another_is_refused(prepares):
    job = job_of(prepares.prepare(TABLES, None))
    with pytest.raises(UserError, match="changed while the run started"):
        plan_of({**job, "training_id": "v1:another"}, prepares)
