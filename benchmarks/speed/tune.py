"""What ``ferbench tune`` costs a trial over the bare run, and what a second worker gives.

    python benchmarks/speed/tune.py                  both, with trials that train and with trials that sleep
    python benchmarks/speed/tune.py --only sleep     trials that sleep: also where the machine is busy

Bare: the same trials one after another in this process, without a study. Times begin when the workers are ready.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from ferbench.tuning.messages import Job, JobEnded, Progress
from ferbench.tuning.objectives import Objective
from ferbench.tuning.space import Space, build_space

OBJECTIVES = (Objective("macro_f1"),)


@dataclass
class Kind:
    """Trials to measure with.

    Attributes:
        task: what runs them, as workers import it.
        space: what they choose from.
        context: what the task is given, besides the results directory.
        trials: of a study.
    """

    task: str
    space: Space
    context: dict[str, Any]
    trials: int


@dataclass
class Took:
    """Seconds of a side, by round.

    Attributes:
        wall: from the first trial's begin to the last one's end.
        cpu: of this process, which conducts the study.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


class Alone:
    """Stands for the parent of a run that has none."""

    def say(self, value: Progress) -> None:
        pass

    def ask(self, value: Progress, otherwise: bool) -> bool:
        return otherwise


def sleep(context: dict[str, Any]) -> Callable[[Job, Any], JobEnded]:
    """Trials that sleep."""

    def run(job: Job, parent: Any) -> JobEnded:
        time.sleep(context["seconds"])
        parent.ask(Progress(values=[(1, 0.5)], text="1/1"), otherwise=False)
        return JobEnded(ending="complete", values=[job["settings"]["optimizer"]["lr"]], reason="", run=None)

    return run


def draw(space: Space, trials: int) -> list[dict[str, Any]]:
    """Settings of as many random trials."""
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    return [space.settings(space.suggest(study.ask())) for _ in range(trials)]


def bare(kind: Kind, took: Took) -> None:
    """The trials without a study."""
    from ferbench.tuning.trial_run import prepare

    jobs = [Job(trial=i, settings=settings, test=False) for i, settings in enumerate(draw(kind.space, kind.trials))]
    with tempfile.TemporaryDirectory() as name:
        run = (sleep if kind.task.endswith(":sleep") else prepare)({**kind.context, "results": name})
        wall, cpu = time.perf_counter(), time.process_time()
        for job in jobs:
            assert run(job, Alone())["ending"] == "complete"  # type: ignore[arg-type]
        took.wall.append(time.perf_counter() - wall)
        took.cpu.append(time.process_time() - cpu)


def study(kind: Kind, took: Took, *, workers: int, threads: int) -> None:
    """The trials as a study in an SQLite file, with TPE."""
    from ferbench.processes.workers import Workers
    from ferbench.training.interruption import Interruption
    from ferbench.tuning.algorithms import make_pruner, make_sampler
    from ferbench.tuning.conductor import Conductor
    from ferbench.tuning.database import Storage, sqlite_url
    from ferbench.tuning.observer import StudyObserver
    from ferbench.tuning.trials import Trials

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        storage = Storage(sqlite_url(directory / "study.db"))
        trials = Trials(storage, "speed", OBJECTIVES)
        trials.use(make_sampler("tpe", OBJECTIVES, 0), make_pruner("median", 2))
        processes = Workers(workers, kind.task, {**kind.context, "results": name}, directory / "logs", threads=threads)
        processes.start()
        try:
            while len(processes.idle()) < workers:
                list(processes.wait(0.5))
            conductor = Conductor(trials, kind.space, processes, kind.trials, StudyObserver(), Interruption())
            wall, cpu = time.perf_counter(), time.process_time()
            conductor.run()
            took.wall.append(time.perf_counter() - wall)
            took.cpu.append(time.process_time() - cpu)
        finally:
            processes.kill()
            storage.close()


def measure(kind: Kind, rounds: int) -> dict[str, Took]:
    """All sides in turns, each round beginning with another, after one warm-up each."""
    sides: dict[str, Callable[[Took], None]] = {
        "bare, 1 thread": lambda took: bare(kind, took),
        "1 worker, 1 thread": lambda took: study(kind, took, workers=1, threads=1),
        "1 worker, 2 threads": lambda took: study(kind, took, workers=1, threads=2),
        "2 workers, 1 thread each": lambda took: study(kind, took, workers=2, threads=1),
    }
    found = {name: Took() for name in sides}
    order = list(sides)
    for number in range(rounds + 1):
        for name in order:
            sides[name](Took() if number == 0 else found[name])
        order = order[1:] + order[:1]
    return found


def show(title: str, kind: Kind, found: dict[str, Took]) -> None:
    print(f"{title}: {kind.trials} trials a round, {len(found['bare, 1 thread'].wall)} rounds")
    for name, took in found.items():
        low, middle, high = min(took.wall), statistics.median(took.wall), max(took.wall)
        print(f"  {name:<26} {middle:7.2f} s  ({low:.2f} to {high:.2f})")
    tuned, alone = found["1 worker, 1 thread"], found["bare, 1 thread"]
    over = [(a - b) / kind.trials for a, b in zip(tuned.wall, alone.wall, strict=True)]
    print(f"  over the bare run, a trial: {statistics.median(over):.3f} s ({min(over):.3f} to {max(over):.3f})")
    cpu = [seconds / kind.trials for seconds in tuned.cpu]
    print(f"  processor time of the parent, a trial: {statistics.median(cpu):.3f} s ({min(cpu):.3f} to {max(cpu):.3f})")
    slow, fast = found["1 worker, 2 threads"].wall, found["2 workers, 1 thread each"].wall
    by_round = [a / b for a, b in zip(slow, fast, strict=True)]
    ratio = statistics.median(slow) / statistics.median(fast)
    print(
        f"  2 workers are {ratio:.2f} times as fast as one with 2 threads ({min(by_round):.2f} to {max(by_round):.2f})"
    )


def kinds(cache: Path, trials: int, seconds: float) -> dict[str, Kind]:
    from ferbench.experiment.prepare import Preparer, pack_in
    from ferbench.plugin.discovery import load_registry

    base = {
        "dataset": {"name": "synthetic-faces", "train": 640, "test": 20, "size": 32},
        "data": {"image_size": 32},
        "model": {"name": "basic-cnn"},
        "training": {"epochs": 2, "batch_size": 32},
    }
    search = [("optimizer.lr", "1e-4..1e-2:log", "--search")]
    space = build_space(base, Preparer(load_registry(()), pack_in(cache)), searches=search, only=True)
    context = {"cache": str(cache), "plugins": [], "objectives": [objective.name for objective in OBJECTIVES]}
    return {
        "train": Kind("ferbench.tuning.trial_run:prepare", space, context, trials),
        "sleep": Kind(f"{Path(__file__).stem}:sleep", space, {"seconds": seconds}, trials),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["train", "sleep"], help="one kind of trials")
    parser.add_argument("--trials", type=int, default=16, help="of each study; default: 16")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a trial sleeps; default: 1")
    options = parser.parse_args()
    from ferbench.tuning.database import quiet_optuna

    quiet_optuna()
    print(f"cores: {os.cpu_count()}, load before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        for title, kind in kinds(Path(name), options.trials, options.seconds).items():
            if options.only in (None, title):
                show(f"trials that {title}", kind, measure(kind, options.rounds))
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
