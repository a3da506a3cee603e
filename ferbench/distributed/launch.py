"""One run on several devices, seen from the process that starts a rank for each."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any

from ferbench.distributed.messages import Audience, RankFailed, raised
from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.experiment.start import Start
from ferbench.link import Link, Message
from ferbench.runs.lock import only_writer
from ferbench.training.building import check_devices
from ferbench.training.interruption import Interrupted
from ferbench.training.loop import Observer
from ferbench.training.record import write_failure

#: Seconds that the first rank gets to write down that another one has failed, to end after it is done, and to end at
#: a second Ctrl-C.
_GRACE, _FAREWELL, _IMPATIENCE = 20.0, 30.0, 5.0

_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")


def execute(
    plan: Plan,
    results: Path,
    observer_for: Callable[[dict[str, Any]], Observer],
    *,
    cache: Path,
    plugins: Sequence[str] = (),
) -> dict[str, Any]:
    """`ferbench.training.run.execute` over ``runtime.devices`` devices.

    Args:
        plan: what to do.
        results: the results directory.
        observer_for: gives an observer for the run's first record.
        cache: where packs are.
        plugins: as ``--plugin`` names them.

    Raises:
        UserError: the run cannot start, or what a rank raised.
        RankFailed: a rank failed otherwise.
        KeyboardInterrupt: after the first rank has written the status ``interrupted``.
    """
    check_devices(plan)
    directory = plan.directory(results)
    with only_writer(directory):  # said at once, not after the ranks have started
        pass
    setup: dict[str, Any] = {
        "settings": _settings(plan),
        "start": _start(plan.start),
        "reads_test": plan.reads_test,
        "training_id": plan.training_id,
        "results": str(results),
        "cache": str(cache),
        "plugins": list(plugins),
        "count": plan.resolved.recipe.runtime.devices,
        "micro_batch": None,
    }
    audience = Audience(observer_for)
    with _Signals() as signals:
        while True:
            with Crew(setup, signals) as crew:
                ending = crew.serve(audience)
            if ending["type"] != "memory":
                break
            setup["micro_batch"] = (ending["size"] + 1) // 2
    if ending["type"] == "done" and signals.asked is not None:  # too late for the run, not for those after it
        raise Interrupted(signals.asked)
    if ending["type"] == "done":
        return directory.read()
    if ending["type"] == "interrupted":
        raise Interrupted(ending["signal"])
    try:
        raise raised(ending, ending["rank"], setup["count"])
    except (UserError, RankFailed) as error:
        with contextlib.suppress(UserError), only_writer(directory):
            record = directory.read()
            if record["status"] == "running":  # the first rank could not say so
                write_failure(directory, record, error)
        raise


def _settings(plan: Plan) -> dict[str, Any]:
    settings = plan.resolved.recipe.model_dump(mode="json", by_alias=True)
    given = {key: value for key, value in settings.items() if value is not None}
    return given | {"data": {key: value for key, value in given["data"].items() if value is not None}}


def _start(start: Start | None) -> dict[str, Any] | None:
    if start is None:
        return None
    plain = {one.name: getattr(start, one.name) for one in fields(start)}
    return plain | {"directory": str(start.directory.path), "class_names": list(start.class_names)}


class _Signals:
    """Passes the signals that end a run on to the first rank, which saves it.

    Attributes:
        asked: the first of them; None: none came.
        insisted: when Ctrl-C came after it; None: it did not.
        first: process id of the first rank; None: there is none.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.insisted: float | None = None
        self.first: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        with contextlib.suppress(ValueError):  # only the main thread can
            for number in (getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)):
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if self.asked is not None and number == signal.SIGINT:
            self.insisted = self.insisted or time.monotonic()
        self.asked = self.asked or number
        if self.first is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.first, number)


@dataclass
class _Rank:
    """A rank's process, and how it ended: what it said last, if that is about its end."""

    index: int
    process: subprocess.Popen[bytes]
    link: Link
    log: Path | None
    there: bool = True
    ending: Message | None = None


@dataclass
class Crew:
    """The processes of one attempt; all are gone when it is left.

    Attributes:
        setup: what each is told.
        signals: where the first rank's process id is wanted.
    """

    setup: dict[str, Any]
    signals: _Signals
    _ranks: list[_Rank] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Crew:
        self._folder = tempfile.TemporaryDirectory(prefix="ferbench-ranks-")
        try:
            for index in range(self.setup["count"]):
                self._start(index, Path(self._folder.name))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.signals.first = None
        for rank in self._ranks:
            rank.process.kill()
            rank.process.wait()
            rank.link.close()
        self._selector.close()
        if self._folder is not None:
            self._folder.cleanup()

    def serve(self, audience: Audience) -> Message:
        """Hear the ranks until the run has ended, and how: ``done``, ``interrupted``, ``memory`` or ``failed``."""
        first, deadline = self._ranks[0], None
        while first.there:
            for message in self._heard(0.5):
                audience.hear(message)
            known = [rank.ending for rank in self._ranks if rank.ending is not None]
            for ending in known:
                if ending["type"] == "memory":
                    return ending
            if first.ending is not None and first.ending["type"] != "failed":
                return self._farewell(first)
            failed = next((rank for rank in self._ranks[1:] if rank.ending is not None), None)
            if failed is not None and deadline is None:
                deadline = time.monotonic() + _GRACE
                assert failed.ending is not None
                first.link.send({"failure": failed.ending, "rank": failed.index})
            if deadline is not None and time.monotonic() > deadline:
                break
            if self.signals.insisted is not None and time.monotonic() > self.signals.insisted + _IMPATIENCE:
                return {"type": "interrupted", "signal": signal.SIGINT}  # it waits for a rank that does not answer
        return self._failure()

    def _start(self, index: int, folder: Path) -> None:
        ours, theirs = socket.socketpair()
        log = folder / f"{index}.log" if index else None
        command = [sys.executable, "-m", "ferbench.distributed.rank", str(theirs.fileno()), str(index)]
        with theirs, contextlib.ExitStack() as stack:
            output = None if log is None else stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,  # the first rank's trackers and warnings are the command's
                stderr=output,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # Ctrl-C is this process's to hear
            )
        rank = _Rank(index, process, Link(ours), log)
        self._ranks.append(rank)
        self._selector.register(ours.fileno(), selectors.EVENT_READ, rank)
        if index == 0:
            self.signals.first = process.pid
            if self.signals.asked is not None:
                process.send_signal(self.signals.asked)
        rank.link.send({**self.setup, "store": str(folder / "store")})

    def _heard(self, seconds: float) -> Iterator[Message]:
        for key, _ in self._selector.select(seconds):
            rank: _Rank = key.data
            messages, rank.there = rank.link.receive()
            for message in messages:
                if message["type"] in ("done", "interrupted", "memory", "failed"):
                    rank.ending = message
                else:
                    yield message
            if not rank.there:
                self._selector.unregister(key.fd)
                rank.process.wait()
                if rank.ending is None:
                    rank.ending = self._crash(rank)

    def _crash(self, rank: _Rank) -> Message:
        """What is known of a rank that ended without a word."""
        code = rank.process.returncode
        if rank.index == 0 and self.signals.asked is not None and code == -self.signals.asked:
            return {"type": "interrupted", "signal": self.signals.asked}  # before it could listen
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        lines = [] if rank.log is None else rank.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        return {"type": "failed", "message": f"the process ended with {how}{last}", "remedy": None, "lost": False}

    def _farewell(self, first: _Rank) -> Message:
        """Give the first rank time to end in order, and the others none."""
        for rank in self._ranks[1:]:
            rank.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            first.process.wait(_FAREWELL)
        assert first.ending is not None
        return first.ending

    def _failure(self) -> Message:
        """The failure that was first, as far as anybody knows: not that of a rank which lost another."""
        failed = [rank for rank in self._ranks if rank.ending is not None and rank.ending["type"] != "done"]
        own = [rank for rank in failed if rank.ending is not None and not rank.ending.get("lost")]
        rank = (own or failed)[0]
        assert rank.ending is not None
        return {**rank.ending, "rank": rank.index}
