"""What ranks and the process that started them send each other."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing.connection import Pipe
from pathlib import Path

import pytest

from ferbench.errors import UserError
from ferbench.experiment.start import Start
from ferbench.records.epoch import Epoch, EpochScores
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import AtWork
from ferbench.training.loop import Observer
from ferbench.training.position import Position
from ferbench.training.rank_messages import (
    Done,
    Failed,
    MemoryFull,
    Progress,
    RankFailed,
    Relay,
    ReportingObserver,
    Setup,
    Signalled,
    send,
)

START = Start(RunDirectory(Path("runs/a")), "a@best", "mine", "v1:t", "v1:c", "best", 3, "ab12", ("happy", "sad"))
SETUP = Setup({"model": {"name": "linear"}}, START, True, "v1:id", Path("r"), Path("c"), ["mine.py"], 2, Path("s"), 8)


@pytest.mark.parametrize(
    "message", [SETUP, Progress("stopped", (3, "patience")), Done(), Signalled(15), MemoryFull(64), Failed("x", rank=1)]
)
def test_a_message_arrives_as_it_was_sent(message):
    ours, theirs = Pipe()
    ours.send(message)
    arrived = theirs.recv()
    if isinstance(message, Setup):
        assert arrived.start.directory.path == START.directory.path
        arrived, message = (replace(each, start=replace(each.start, directory=None)) for each in (arrived, message))
    assert arrived == message


def test_nobody_misses_what_is_sent_to_a_process_that_is_gone():
    ours, theirs = Pipe()
    theirs.close()
    send(ours, Done())


def test_errors_of_users_are_raised_again_and_others_name_the_device():
    error = Failed.of(UserError("no data", "give some"), rank=1).exception(2)
    assert (type(error), error.message, error.remedy) == (UserError, "no data", "give some")
    assert isinstance(Failed.of(AtWork("a", "b"), rank=0).exception(2), AtWork)
    error = Failed.of(ZeroDivisionError("by zero"), rank=1).exception(2)
    assert isinstance(error, RankFailed)
    assert str(error) == "device 2 of 2: ZeroDivisionError: by zero"
    assert "ZeroDivisionError" in error.__notes__[0]


class Noting(Observer):
    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def batch_done(self, *arguments) -> None:
        self.calls.append(arguments)

    def epoch_ended(self, epoch) -> None:
        self.calls.append(("epoch", epoch))

    def resumed(self, at) -> None:
        self.calls.append(("resumed", at.epoch, at.batches))

    def stopped(self, epoch, reason) -> None:
        self.calls.append(("stopped", epoch, reason))


def test_an_observer_is_called_as_the_one_in_the_first_rank():
    ours, theirs = Pipe()
    made = []

    def make() -> Noting:
        made.append(Noting())
        return made[-1]

    epoch = Epoch(epoch=2, train=EpochScores(f1={"happy": 0.5}), validation=EpochScores(f1={}))
    relay = Relay(make)
    for _ in range(2):  # as when all ranks start again
        reporting = ReportingObserver(theirs)
        reporting.resumed(Position(epoch=2, batches=3))
        reporting.batch_done(2, 64, 64, None)
        reporting.epoch_ended(epoch)
        reporting.stopped(2, "no gain")
    while ours.poll():
        relay.pass_on(ours.recv())
    once = [("resumed", 2, 3), (2, 64, 64, None), ("epoch", epoch), ("stopped", 2, "no gain")]
    assert [observer.calls for observer in made] == [2 * once]
    ours.close(), theirs.close()
