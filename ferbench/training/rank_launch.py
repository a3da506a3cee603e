"""One run on as many devices as it asks for, which torchrun starts a process each for."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.records.run import Run
from ferbench.runs.lock import only_writer
from ferbench.training import torchrun
from ferbench.training.interruption import Interrupted, Interruption, numbers
from ferbench.training.rank_meeting import lead, store_of
from ferbench.training.rank_messages import RankFailed, Setup, exception_of
from ferbench.training.torchrun import ROLE

if TYPE_CHECKING:
    from torch.distributed import TCPStore
    from torch.distributed.elastic.agent.server.api import RunResult, SimpleElasticAgent

    from ferbench.training.loop import Observer

#: How often a process may be killed, or die otherwise without a word, before its run fails.
RESTARTS = 3


def execute(
    plan: Plan, results: Path, observer_for: Callable[[Run], Observer], *, cache: Path, plugins: Sequence[str] = ()
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
    count, place = plan.resolved.recipe.runtime.devices, torchrun.place()
    if place is not None and count != place.count:
        raise UserError(
            f"torchrun has started {place.count} processes, but runtime.devices is {count}",
            "leave runtime.devices and --devices out, or start ferbench without torchrun",
        )
    if count == 1:
        from ferbench.training.run import execute as execute_alone

        return execute_alone(plan, results, observer_for)
    from ferbench.training.building import check_devices

    check_devices(plan)
    setup = Setup.of(plan, results, cache, list(plugins))
    if place is not None:
        return lead(setup, observer_for, place, store_of(place), plan)
    directory = plan.directory(results)
    with only_writer(directory):  # refused at once, not after the ranks have started
        pass
    try:
        _launch(setup, count, lambda: observer_for(directory.load()))
    except (UserError, RankFailed) as error:
        with contextlib.suppress(UserError), only_writer(directory):
            record = directory.load()
            if record.status == "running":  # the first rank could not say so
                from ferbench.training.record import write_failure

                write_failure(directory, record, error)
        raise
    return directory.load()


def _launch(setup: Setup, count: int, make_observer: Callable[[], Observer]) -> None:
    from torch.distributed import TCPStore
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.rendezvous import RendezvousParameters, registry

    # What torchrun says of processes that end is for its own users.
    quiet = logging.getLogger("torch.distributed.elastic")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    host = "127.0.0.1"
    listening = socket.create_server((host, 0))  # torch's own would listen to other hosts too
    port = listening.getsockname()[1]
    store = TCPStore(
        host, port, is_master=True, wait_for_workers=False, multi_tenant=True, master_listen_fd=listening.detach()
    )
    store.set("setup", json.dumps(asdict(setup)))
    endpoint = RendezvousParameters("static", f"{host}:{port}", "ferbench", 1, 1, rank=0)
    specification = WorkerSpec(
        role=ROLE,
        local_world_size=count,
        entrypoint=sys.executable,
        args=("-m", "ferbench.training.rank_process"),
        rdzv_handler=registry.get_rendezvous_handler(endpoint),
        max_restarts=RESTARTS,
        monitor_interval=0.1,
        master_addr=host,
        master_port=port,
    )
    signals = _Signals(numbers())
    with signals.listening(), _environment(), tempfile.TemporaryDirectory(prefix="ferbench-ranks-") as logs:
        # The first rank's trackers and warnings are the command's.
        others = DefaultLogsSpecs(logs, redirects=dict.fromkeys(range(1, count), Std.ALL))
        signals.agent = _agent(specification, others, signals, _Relay(store, make_observer))
        try:
            result = signals.agent.run()
        except SignalException as error:
            raise Interrupted(error.sigval) from None
        if signals.pending is not None:  # too late for the run, not for those after it
            raise Interrupted(signals.pending)
        crash = _crash(result, count, Path(logs))
    if not store.check(["over"]):
        raise crash
    if failure := store.get("over"):
        raise exception_of(failure)


def _crash(result: RunResult, count: int, logs: Path) -> Exception:
    """How a process ended that left no word; those that only lost another one have exit code 1."""
    ended = min(result.failures.values(), key=lambda one: (one.exitcode == 1, one.timestamp), default=None)
    rank, code = (0, 0) if ended is None else (ended.local_rank, ended.exitcode)
    where = f"device {rank + 1} of {count}: the process ended with"
    if code < 0:
        name = signal.Signals(-code).name
        memory = "memory may have run out, as this machine or its scheduler says; " if name == "SIGKILL" else ""
        return UserError(f"{where} {name}", f"{memory}the same command goes on from the last checkpoint")
    said = [log.read_text(encoding="utf-8", errors="replace") for log in logs.glob(f"*/attempt_*/{rank}/stderr.log")]
    last = "".join(said).strip().splitlines()[-1:]
    return RankFailed(": ".join([f"{where} exit code {code}", *(line[:300] for line in last)]))


class _Relay:
    """Calls an observer as that of the first rank was called; made when that has started, however often it starts."""

    def __init__(self, store: TCPStore, make_observer: Callable[[], Observer]) -> None:
        self._store, self._make_observer = store, make_observer
        self._observer: Observer | None = None
        self._passed = 0

    def pass_on(self) -> None:
        """Pass on what has come since."""
        from ferbench.records.epoch import Epoch
        from ferbench.training.position import Position

        while self._store.check([key := f"report/{self._passed + 1}"]):
            method, *values = json.loads(self._store.get(key))
            self._store.delete_key(key)
            self._passed += 1
            observer = self._observer = self._observer or self._make_observer()
            if method == "epoch_ended":
                values = [Epoch.model_validate(*values)]
            elif method == "resumed":
                values = [Position(*values)]
            if method != "started":
                getattr(observer, method)(*values)


class _Signals(Interruption):
    """Passes the signals that end a run on, by the agent, to the ranks, the first of which saves it.

    Args:
        listened: their numbers.
    """

    def __init__(self, listened: Sequence[int]) -> None:
        super().__init__()
        self._listened = listened
        self.agent: SimpleElasticAgent | None = None

    def take(self) -> None:
        """Have the signals again, which an agent takes when it starts processes."""
        if threading.current_thread() is threading.main_thread():
            for number in self._listened:
                signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.pending is not None and number == signal.SIGINT and self.agent is not None:
            for worker in self.agent.get_worker_group().workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.id, signal.SIGKILL)
        self.pending = self.pending or number


def _agent(specification: Any, logs: Any, signals: _Signals, relay: _Relay) -> SimpleElasticAgent:
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.elastic.multiprocessing import SignalException

    class Agent(LocalElasticAgent):
        """torchrun's, which also looks for reports and signals each time that it looks for its processes."""

        def _start_workers(self, worker_group: Any) -> dict[int, Any]:
            started = super()._start_workers(worker_group)
            signals.take()
            return started

        def _monitor_workers(self, worker_group: Any) -> RunResult:
            relay.pass_on()
            if signals.pending is not None:
                raise SignalException("", signal.Signals(signals.pending))
            result = super()._monitor_workers(worker_group)
            relay.pass_on()
            return result

    return Agent(specification, logs)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """That of the ranks: they import what this process does, and its agent handles no other signals."""
    names = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TORCHELASTIC_SIGNALS_TO_HANDLE": ",".join(signal.Signals(number).name for number in numbers()),
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
