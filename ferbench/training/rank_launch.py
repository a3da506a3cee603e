"""One run on several devices, seen from the process that starts a rank for each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from types import FrameType
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.records.run import Run
from ferbench.runs.lock import only_writer
from ferbench.training.building import check_devices
from ferbench.training.interruption import Interrupted, Interruption
from ferbench.training.loop import Observer
from ferbench.training.rank_messages import (
    Done,
    Ending,
    Failed,
    MemoryFull,
    Progress,
    RankFailed,
    Relay,
    Setup,
    Signalled,
    send,
)
from ferbench.training.record import write_failure

#: Seconds that the first rank gets to write down that another one has failed, to end after it is done, and to end at
#: a second Ctrl-C.
_GRACE, _FAREWELL, _IMPATIENCE = 20.0, 30.0, 5.0


def execute(
    plan: Plan,
    results: Path,
    observer_for: Callable[[Run], Observer],
    *,
    cache: Path,
    plugins: Sequence[str] = (),
) -> Run:
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
    with only_writer(directory):  # refused at once, not after the ranks have started
        pass
    setup = Setup(
        settings=_settings(plan),
        start=plan.start,
        reads_test=plan.reads_test,
        training_id=plan.training_id,
        results=results,
        cache=cache,
        plugins=list(plugins),
        count=plan.resolved.recipe.runtime.devices,
    )
    relay = Relay(lambda: observer_for(directory.load()))
    signals = _Forwarding()
    with signals.listening():
        while True:
            with RankProcesses(setup, signals) as ranks:
                ending = ranks.serve(relay)
            if not isinstance(ending, MemoryFull):
                break
            setup = replace(setup, micro_batch=(ending.size + 1) // 2)
    if isinstance(ending, Signalled):
        raise Interrupted(ending.signal)
    if isinstance(ending, Done):
        if signals.pending is not None:  # too late for the run, not for those after it
            raise Interrupted(signals.pending)
        return directory.load()
    try:
        raise ending.exception(setup.count)
    except (UserError, RankFailed) as error:
        with contextlib.suppress(UserError), only_writer(directory):
            record = directory.load()
            if record.status == "running":  # the first rank could not say so
                write_failure(directory, record, error)
        raise


def _settings(plan: Plan) -> dict[str, Any]:
    settings = plan.resolved.recipe.model_dump(mode="json", by_alias=True)
    given = {key: value for key, value in settings.items() if value is not None}
    return given | {"data": {key: value for key, value in given["data"].items() if value is not None}}


class _Forwarding(Interruption):
    """Passes the signals that end a run on to the first rank, which saves it.

    Attributes:
        insisted: when Ctrl-C came after the first signal; None: it did not.
        first: process id of the first rank; None: there is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.insisted: float | None = None
        self.first: int | None = None

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.pending is not None and number == signal.SIGINT:
            self.insisted = self.insisted or time.monotonic()
        self.pending = self.pending or number
        if self.first is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.first, number)


@dataclass
class _Rank:
    """A rank's process, and how it ended, once that is known."""

    index: int
    process: subprocess.Popen[bytes]
    line: Connection
    log: Path | None
    there: bool = True
    ending: Ending | None = None


@dataclass
class RankProcesses:
    """The processes of one attempt; all are gone when it is left.

    Attributes:
        setup: what each is to do.
        signals: where the first rank's process id is wanted.
    """

    setup: Setup
    signals: _Forwarding
    _ranks: list[_Rank] = field(default_factory=list)
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> RankProcesses:
        self._folder = tempfile.TemporaryDirectory(prefix="ferbench-ranks-")
        try:
            for index in range(self.setup.count):
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
            rank.line.close()
        if self._folder is not None:
            self._folder.cleanup()

    def serve(self, relay: Relay) -> Ending:
        """Receive what the ranks send until the run has ended, and how."""
        first, deadline = self._ranks[0], None
        while first.there:
            for progress in self._received(0.5):
                relay.pass_on(progress)
            for rank in self._ranks:
                if isinstance(rank.ending, MemoryFull):
                    return rank.ending
            if first.ending is not None and not isinstance(first.ending, Failed):
                self._farewell(first)
                return first.ending
            ended = next((rank.ending for rank in self._ranks[1:] if rank.ending is not None), None)
            if ended is not None and deadline is None:
                deadline = time.monotonic() + _GRACE
                send(first.line, ended)
            if deadline is not None and time.monotonic() > deadline:
                break
            if self.signals.insisted is not None and time.monotonic() > self.signals.insisted + _IMPATIENCE:
                return Signalled(int(signal.SIGINT))  # it waits for a rank that does not answer
        return self._failure()

    def _start(self, index: int, folder: Path) -> None:
        ours, theirs = Pipe()
        log = folder / f"{index}.log" if index else None
        command = [sys.executable, "-m", "ferbench.training.rank_process", str(theirs.fileno()), str(index)]
        with theirs, contextlib.ExitStack() as stack:
            output = None if log is None else stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,  # the first rank's trackers and warnings are the command's
                stderr=output,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # Ctrl-C is this process's to handle
            )
        rank = _Rank(index, process, ours, log)
        self._ranks.append(rank)
        if index == 0:
            self.signals.first = process.pid
            if self.signals.pending is not None:
                process.send_signal(self.signals.pending)
        send(ours, replace(self.setup, store=folder / "store"))

    def _received(self, seconds: float) -> Iterator[Progress]:
        ready = wait([rank.line for rank in self._ranks if rank.there], seconds)
        for rank in [rank for rank in self._ranks if rank.line in ready]:
            try:
                message: Progress | Ending = rank.line.recv()
            except (EOFError, OSError):
                rank.there = False
                rank.process.wait()
                rank.ending = rank.ending or self._crash(rank)
                continue
            if isinstance(message, Progress):
                yield message
            else:
                rank.ending = message

    def _crash(self, rank: _Rank) -> Ending:
        """How a rank ended that sent no ending."""
        code = rank.process.returncode
        if rank.index == 0 and self.signals.pending is not None and code == -self.signals.pending:
            return Signalled(self.signals.pending)  # before it could handle signals
        if code < 0:
            name = signal.Signals(-code).name
            memory = "memory may have run out, as this machine or its scheduler says; " if name == "SIGKILL" else ""
            return Failed(
                f"device {rank.index + 1} of {self.setup.count}: the process ended with {name}",
                f"{memory}the same command goes on from the last checkpoint",
                rank=rank.index,
            )
        lines = [] if rank.log is None else rank.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        return Failed(f"the process ended with exit code {code}{last}", rank=rank.index)

    def _farewell(self, first: _Rank) -> None:
        """Give the first rank time to end in order, and the others none."""
        for rank in self._ranks[1:]:
            rank.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            first.process.wait(_FAREWELL)

    def _failure(self) -> Ending:
        """The failure that was first, as far as anybody knows: not that of a rank which lost another."""
        endings = [rank.ending for rank in self._ranks if rank.ending is not None]
        failed = [ending for ending in endings if not isinstance(ending, Done)]
        return next((ending for ending in failed if not (isinstance(ending, Failed) and ending.lost)), failed[0])
