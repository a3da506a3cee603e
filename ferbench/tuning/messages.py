"""What the process that conducts a study and its workers send each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from ferbench.link import Link
    from ferbench.records.study import Ending
    from ferbench.tuning.space import Settings


@dataclass(frozen=True)
class Job:
    """What a worker is to run.

    Attributes:
        trial: its number; None for a run that is no trial.
        settings: the recipe's raw settings.
        test: read the test set at the end.
        threads: CPU threads; None: as the recipe has it.
        device: where it runs; None: as the recipe has it.
    """

    trial: int | None
    settings: Settings
    test: bool = False
    threads: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a trial that has reported an epoch ends with it."""

    prune: bool


@dataclass(frozen=True)
class Ready:
    """A worker can work."""


@dataclass(frozen=True)
class PastEpochs:
    """Epochs of an earlier process.

    Attributes:
        values: [epoch, value of the objective] of each.
    """

    values: list[tuple[int, float]]


@dataclass(frozen=True)
class EpochEnded:
    """An epoch has ended.

    Attributes:
        epoch: its number, from 1.
        value: of the objective; None: it has none, and no verdict is waited for.
        text: which of how many, for people.
    """

    epoch: int
    value: float | None
    text: str


@dataclass(frozen=True)
class Interrupted:
    """A signal came; the run is saved, and the worker ends."""


@dataclass(frozen=True)
class JobEnded:
    """How a job ended.

    Attributes:
        ending: of a trial.
        values: of the objectives; None unless complete.
        reason: why it failed or was pruned.
        run: name of the run's directory; None when no run came of it.
        seconds: that it took.
    """

    ending: Ending
    values: list[float] | None = None
    reason: str = ""
    run: str | None = None
    seconds: float = 0.0


Message = Job | Verdict | Ready | PastEpochs | EpochEnded | Interrupted | JobEnded

_KINDS = {kind.__name__: kind for kind in get_args(Message)}


def send(link: Link, message: Message) -> bool:
    """Send a message; False when the other end is gone."""
    return link.send({"type": type(message).__name__, **asdict(message)})


def receive(link: Link) -> tuple[list[Message], bool]:
    """Wait for what comes next: the messages that are whole, and whether the other end is still there."""
    messages, there = link.receive()
    return [_KINDS[message.pop("type")](**message) for message in messages], there
