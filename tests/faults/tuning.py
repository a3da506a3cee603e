"""Studies whose workers, hosts or database die, in full: what was tried, and how much of it came out as it should.

    python tests/faults/tuning.py                     all parts, in half an hour to an hour
    python tests/faults/tuning.py workers hosts       some parts
    python tests/faults/tuning.py --rounds 2          fewer rounds

Parts: starts, workers, hosts, outages. A host is a process that conducts the study, with a directory of its own; its
trials sleep (``tests/tuning/sleeping.py``), the rest is what ``ferbench tune`` runs. The database is a PostgreSQL
server of this command's own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tuning"))

import light
import optuna
import postgresql
import psutil
from optuna.trial import TrialState

from ferbench.processes.workers import Workers
from ferbench.training.interruption import Interruption
from ferbench.tuning.algorithms import make_pruner, make_sampler
from ferbench.tuning.conductor import Conductor
from ferbench.tuning.database import Storage, quiet_optuna, sqlite_url
from ferbench.tuning.observer import StudyObserver
from ferbench.tuning.trials import Trials

#: Seconds that a study may take beyond what its trials sleep, on a busy machine.
_PATIENCE = 240
#: File that lets the trials of all hosts begin.
_BEGIN = "begin"


@dataclass(frozen=True)
class Scene:
    """A study and who works on it.

    Attributes:
        hosts: processes that conduct it.
        workers: of each host.
        trials: of the study.
        seconds: that a trial sleeps.
        grace: seconds of silence after which a host's trials are taken over.
    """

    hosts: int = 1
    workers: int = 16
    trials: int = 24
    seconds: float = 1.0
    grace: float = 5.0

    @property
    def shown(self) -> str:
        workers = f"{self.workers} workers" if self.workers > 1 else "a worker"
        return f"{self.hosts} hosts of {workers}" if self.hosts > 1 else f"one host of {workers}"


class _Diary(StudyObserver):
    """Writes down what a display would be given, for the process that watches the hosts."""

    def __init__(self, path: Path) -> None:
        self._lines = path.open("a", buffering=1)

    def write(self, kind: str, **about: Any) -> None:
        self._lines.write(json.dumps({"kind": kind, **about}) + "\n")

    def trial_begins(self, trial) -> None:
        self.write("began", trial=trial.number)

    def trial_ended(self, result, chosen) -> None:
        self.write("ended", trial=result.trial, ending=result.ending, values=result.values, x=chosen["model.x"])

    def note(self, line) -> None:
        self.write("said", line=line)

    waits = note


@dataclass
class Host:
    """A forked process that conducts the study.

    Attributes:
        directory: its own, as if no other host saw it.
        pid: of the process.
        killed: by us.
        first: process ids of the workers that it began with, as far as they were seen.
        dead: those of them that we killed.
    """

    directory: Path
    pid: int = 0
    killed: bool = False
    first: set[int] = field(default_factory=set)
    dead: set[int] = field(default_factory=set)

    def start(self, scene: Scene, url: str) -> None:
        """Conduct the study in a forked process."""
        self.directory.mkdir(exist_ok=True)
        self.killed, self.first, self.dead = False, set(), set()
        self.pid = os.fork()
        if self.pid:
            return
        code = 70
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            with (self.directory / "said.txt").open("a", buffering=1) as said:
                sys.stdout = sys.stderr = said
                try:
                    self._conduct(scene, url)
                    code = 0
                except BaseException:
                    import traceback

                    traceback.print_exc()
        finally:
            os._exit(code)

    def _conduct(self, scene: Scene, url: str) -> None:
        diary = _Diary(self.directory / "diary.jsonl")
        storage = Storage(url, scene.grace)
        trials = Trials(storage, "light", light.OBJECTIVES)
        if not storage.shared:
            trials.recover(())
        trials.use(make_sampler("random", light.OBJECTIVES, None), make_pruner("none", 9))
        workers = Workers(scene.workers, "sleeping:prepare", {"seconds": scene.seconds, "epochs": 2}, self.directory)
        workers.start()
        diary.write("hired", workers=[worker.process.pid for worker in workers.all])
        while not (self.directory.parent / _BEGIN).exists():
            time.sleep(0.02)
        conductor = Conductor(trials, light.SPACE, workers, scene.trials, diary, Interruption())
        try:
            conductor.run()
            diary.write("left", workers=[worker.process.pid for worker in workers.all], untold=len(conductor.untold))
        finally:
            workers.kill()
        storage.close()

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """What the diary has of a kind; a line that a kill has cut short is none."""
        try:
            lines = (self.directory / "diary.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [one for one in found if one["kind"] == kind]

    def see_workers(self) -> set[int]:
        """Process ids of the workers that it began with."""
        hired = self.heard("hired")
        self.first = set(hired[-1]["workers"]) if hired else set()
        return self.first

    def kill(self) -> None:
        """SIGKILL to the host and to each of its workers."""
        self.killed = True
        self.dead = set(self.first)
        for pid in (self.pid, *self.first):
            _kill(pid)

    def kill_workers(self, pids: list[int]) -> None:
        """SIGKILL to some of its workers."""
        self.dead |= set(pids)
        for pid in pids:
            _kill(pid)

    def wrong(self) -> Iterator[str]:
        """What did not come out as it should on a host that was not killed, when it has ended."""
        left = self.heard("left")
        if not left:
            said = (self.directory / "said.txt").read_text().strip().splitlines()
            yield f"{self.directory.name} did not end well: {said[-1:]}"
            return
        if lost := self.first - self.dead - set(left[-1]["workers"]):
            yield f"{len(lost)} workers of {self.directory.name} died that nobody killed"
        if left[-1]["untold"]:
            yield f"{left[-1]['untold']} results of {self.directory.name} were not told"


@dataclass
class Round:
    """One study from start to end.

    Attributes:
        scene: the study and its hosts.
        directory: empty.
        url: of the storage, empty too.
    """

    scene: Scene
    directory: Path
    url: str
    hosts: list[Host] = field(default_factory=list)

    def start(self) -> None:
        """Start all hosts at once."""
        self.hosts = [Host(self.directory / f"host-{i}") for i in range(self.scene.hosts)]
        for host in self.hosts:
            host.start(self.scene, self.url)

    def wait_until_busy(self) -> None:
        """Let the trials begin once every host has its workers, and wait until every worker had one.

        A host that comes late could find that another has done all trials.
        """
        self._wait(lambda: all(host.see_workers() for host in self.hosts))
        (self.directory / _BEGIN).touch()
        self._wait(
            lambda: sum(len(host.heard("began")) for host in self.hosts) >= self.scene.hosts * self.scene.workers
        )

    def end(self) -> list[str]:
        """Wait for the hosts; gives what did not come out as it should."""
        wrong = []
        deadline = time.monotonic() + _PATIENCE + self.scene.seconds * self.scene.trials
        for host in self.hosts:
            while os.waitpid(host.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    wrong.append(f"{host.directory.name} does not end")
                    _kill(host.pid)
                    os.waitpid(host.pid, 0)
                    break
                time.sleep(0.05)
            if not host.killed:
                wrong += host.wrong()
        return [*wrong, *self._wrong_trials(), *self._processes_left()]

    def _wrong_trials(self) -> Iterator[str]:
        """Read by a plain Optuna: each trial complete, with the value of its own settings, and every result there.

        A trial whose host died has failed, and a trial of the same settings counts in its place.
        """
        trials = optuna.load_study(study_name="light", storage=self.url).get_trials()
        places = {trial.number: trial.number for trial in trials}
        for trial in trials:
            places |= dict.fromkeys(trial.system_attrs.get("retry_history", ()), trial.number)
        counted = [trial for trial in trials if places[trial.number] == trial.number]
        states = [trial.state for trial in counted]
        if states != [TrialState.COMPLETE] * self.scene.trials:
            yield f"{len(states)} trials: {', '.join(sorted({state.name for state in states}))}"
            return
        for trial in trials:
            if places[trial.number] != trial.number and trial.state is not TrialState.FAIL:
                yield f"trial {trial.number} is {trial.state.name}, and trial {places[trial.number]} in its place"
        for trial in counted:
            x = trial.params.get("model.x")
            if x is None or abs(trial.value - (1 - (x - 0.3) ** 2)) > 1e-12:
                yield f"trial {trial.number} has another trial's value, or no settings"
        for host in self.hosts:
            for one in host.heard("ended"):
                trial = trials[places[one["trial"]]]
                if one["ending"] == "pruned":  # by the only reason here: another host had its result first
                    continue
                if [trial.value] != one["values"] or trial.params.get("model.x") != one["x"]:
                    yield f"the result of trial {one['trial']} is lost: {one['values']}"

    def _processes_left(self) -> Iterator[str]:
        workers = []
        for host in self.hosts:
            for hired in host.heard("hired"):
                for pid in hired["workers"]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        workers.append(psutil.Process(pid))
        _, alive = psutil.wait_procs(workers, timeout=30)
        if alive:
            yield f"{len(alive)} workers are still there"

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not done():
            if time.monotonic() > deadline:
                for host in self.hosts:
                    host.see_workers()
                    host.kill()
                raise RuntimeError("the study does not get on")
            time.sleep(0.2)


def kill_some(scene: Scene, directory: Path, url: str, draw: random.Random, *, workers: int, hosts: int) -> list[str]:
    """Kill some workers, and some hosts with all of theirs, while all of them are at work.

    Returns:
        What did not come out as it should.
    """
    round_ = Round(scene, directory, url)
    round_.start()
    round_.wait_until_busy()
    time.sleep(draw.uniform(0, 1.5 * scene.seconds))
    doomed = draw.sample(round_.hosts, hosts)
    others = [(host, pid) for host in round_.hosts if host not in doomed for pid in host.first]
    chosen = draw.sample(others, workers)
    for host in doomed:
        host.kill()
    for host, pid in chosen:
        host.kill_workers([pid])
    return round_.end()


def start_all(scene: Scene, directory: Path, url: str) -> list[str]:
    """Start all hosts at once on a database that has nothing yet, and let the study end."""
    round_ = Round(scene, directory, url)
    round_.start()
    round_.wait_until_busy()
    return round_.end()


def stop_database(
    scene: Scene, directory: Path, server: postgresql.Server, *, seconds: float, at_once: bool, kill: int = 0
) -> tuple[list[str], int]:
    """Stop the database for a while in the middle of a study.

    Args:
        scene: trials should sleep less than ``seconds``, so that results come while it is away.
        directory: empty.
        server: of the database.
        seconds: that it is away.
        at_once: it stops as in a crash.
        kill: how many hosts die before it is back; each is then started again.

    Returns:
        What did not come out as it should, and how many results came while it was away.
    """
    url = server.new_database()
    round_ = Round(scene, directory, url)
    round_.start()
    round_.wait_until_busy()
    server.stop(at_once=at_once)
    before = sum(len(host.heard("ended")) for host in round_.hosts)
    began = time.monotonic()
    try:
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        came = sum(len(host.heard("ended")) for host in round_.hosts) - before
        for host in round_.hosts[:kill]:
            host.kill()
            os.waitpid(host.pid, 0)
    finally:
        server.start()
    for host in round_.hosts[:kill]:
        host.start(scene, url)
    wrong = round_.end()
    if not came:
        wrong.append("no result came while the database was away")
    return wrong, came


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@dataclass
class Room:
    """Where the parts work.

    Attributes:
        base: an empty directory.
        rounds: of starts and kills.
        databases: that studies are kept in.
        seed: of what is killed, and when.
        away: seconds that the database is stopped.
        server: of PostgreSQL; None without one.
    """

    base: Path
    rounds: int
    databases: tuple[str, ...]
    seed: int
    away: float
    server: postgresql.Server | None
    _count: int = 0

    def fresh(self) -> Path:
        self._count += 1
        path = self.base / f"round-{self._count}"
        path.mkdir()
        return path

    def url(self, directory: Path, kind: str) -> str:
        """An empty storage of that kind."""
        if kind == "SQLite":
            return sqlite_url(directory / "study.db")
        assert self.server is not None
        return self.server.new_database()

    def of(self, sqlite: Scene | None, *shared: Scene) -> Iterator[tuple[str, Scene]]:
        """The scenes that are tried, by database."""
        if sqlite is not None and "sqlite" in self.databases:
            yield "SQLite", sqlite
        if self.server is not None:
            for scene in shared:
                yield "PostgreSQL", scene


#: What a part says of a line of the table: what was tried, how often, how often it came out as it should, notes.
Line = tuple[str, int, int, str]


def starts(room: Room) -> Iterator[Line]:
    """16 workers that start together on a storage that has nothing yet."""
    for kind, scene in room.of(Scene(), Scene(), Scene(hosts=16, workers=1)):
        wrong = 0
        for _ in range(room.rounds):
            directory = room.fresh()
            wrong += _said(kind, start_all(scene, directory, room.url(directory, kind)))
        yield (
            f"{kind}, {scene.shown}: started together",
            room.rounds,
            room.rounds - wrong,
            f"{scene.trials} trials each",
        )


def killed_workers(room: Room) -> Iterator[Line]:
    """6 of 16 workers killed, their host alive."""
    for kind, scene in room.of(Scene(), Scene()):
        yield _killed(room, kind, scene, "6 workers", workers=6, hosts=0)


def killed_hosts(room: Room) -> Iterator[Line]:
    """6 of 16 workers killed, with their hosts."""
    for kind, scene in room.of(None, Scene(hosts=4, workers=4)):
        yield _killed(room, kind, scene, "a host with its workers and 2 workers of others", workers=2, hosts=1)
    for kind, scene in room.of(None, Scene(hosts=16, workers=1)):
        yield _killed(room, kind, scene, "6 hosts with their workers", workers=0, hosts=6)


def _killed(room: Room, kind: str, scene: Scene, what: str, *, workers: int, hosts: int) -> Line:
    draw, wrong = random.Random(room.seed), 0
    for _ in range(room.rounds):
        directory = room.fresh()
        url = room.url(directory, kind)
        wrong += _said(kind, kill_some(scene, directory, url, draw, workers=workers, hosts=hosts))
    notes = f"{scene.trials} trials each"
    return f"{kind}, {scene.shown}: SIGKILL to {what}", room.rounds, room.rounds - wrong, notes


def outages(room: Room) -> Iterator[Line]:
    """The database stopped in the middle of a study."""
    if room.server is None:
        return
    scene = Scene(hosts=4, workers=4, trials=36, seconds=4.0, grace=10.0)
    for what, at_once, kill in (
        ("shut down", False, 0),
        ("crashed", True, 0),
        ("crashed, a host killed meanwhile and started again", True, 1),
    ):
        wrong, came = stop_database(scene, room.fresh(), room.server, seconds=room.away, at_once=at_once, kill=kill)
        note = f"{came} results waited for it"
        yield f"PostgreSQL, {scene.shown}: {what} for {room.away:.0f} s", 1, 1 - _said(what, wrong), note


def _said(where: str, wrong: list[str]) -> int:
    for line in wrong:
        print(f"{where}: {line}", file=sys.stderr, flush=True)
    return bool(wrong)


PARTS: dict[str, Callable[[Room], Iterator[Line]]] = {
    "starts": starts,
    "workers": killed_workers,
    "hosts": killed_hosts,
    "outages": outages,
}


def prepare() -> None:
    """Import here, once, what hosts would each import."""
    quiet_optuna()
    with tempfile.TemporaryDirectory() as name:
        storage = Storage(sqlite_url(Path(name) / "study.db"))
        trials = Trials(storage, "light", light.OBJECTIVES)
        trials.use(make_sampler("random", light.OBJECTIVES, None), make_pruner("none", 9))
        trials.ask(light.SPACE.suggest, 1)
        storage.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all of them")
    parser.add_argument("--rounds", type=int, default=20, help="of starts and kills; default: 20")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="one of them alone")
    parser.add_argument("--seed", type=int, default=20261124, help="of what is killed, and when")
    parser.add_argument("--away", type=float, default=60, help="seconds that the database is stopped; default: 60")
    options = parser.parse_args()
    chosen = options.parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    prepare()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which stops the server
    server = None
    databases = (options.database,) if options.database else ("sqlite", "postgresql")
    if "postgresql" in databases:
        if reason := postgresql.lacking():
            parser.exit(2, f"{reason}; without it: --database sqlite\n")
        server = postgresql.Server()
    bad = 0
    try:
        print("| part | what | tried | as it should be | notes | seconds |\n|---|---|---:|---:|---|---:|", flush=True)
        with tempfile.TemporaryDirectory() as name:
            room = Room(Path(name), options.rounds, databases, options.seed, options.away, server)
            for part in chosen:
                started = time.perf_counter()
                for what, tried, good, notes in PARTS[part](room):
                    seconds = time.perf_counter() - started
                    started = time.perf_counter()
                    print(f"| {part} | {what} | {tried} | {good} | {notes} | {seconds:.0f} |", flush=True)
                    bad += tried - good
    finally:
        if server is not None:
            server.close()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
