"""What commands take to start, beside ``python -c "import torch"``.

    python benchmarks/speed/startup.py [--rounds 7] [--only NAME ...] [--model cnn4]

Makes a small folder of images, trains a run and a study on it, and calls every command in turn, each call a process
of its own. Prints the median of its processor time (user and system), the ratio to the import of torch in the same
round (median and range), the aim, and the median of the seconds until something of it can be read. The row ``run``
ends with the first batch of training.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

FERBENCH = (sys.executable, "-c", "from ferbench.cli import main; main()")
REFERENCE = "import torch"
CLASSES = ("angry", "happy", "sad")

#: A loss that ends the process where training would take its first step.
ENDS = """
import os
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("ends", build="ends:build")

def build(task):
    return lambda outputs, targets: os._exit(0)
"""


@dataclass
class Side:
    """A command and how it is to end.

    Attributes:
        line: its arguments; ``{turn}`` is another number in every round.
        aim: the largest ratio to importing torch.
        code: its exit code.
    """

    line: str
    aim: float
    code: int = 0
    processor: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


def sides(model: str) -> dict[str, Side]:
    """All of them, by name."""
    train = f"run --dataset folder --data faces --model {model} --no-report"
    wrong = {
        "--data": f"run --dataset folder --data nowhere --model {model}",
        "results": f"{train} --results one.png/results",
        "field": f"{train} --set training.epoch=1",
        "value": f"{train} --set training.epochs=ten",
        "metric": f"{train} --set training.select=foo",
        "option": f"{train} --set optimizer.learning_rate=0.1",
        "option's value": f"{train} --set optimizer.lr=-1",
        "device": f"{train} --set runtime.device=gpu",
        "--from": f"{train} --from nobody",
        "teacher": f"{train} --loss distillation --set training.teacher=nobody",
        "name": f"run --dataset folder --data faces --model {model}x",
        "tune": f"tune --dataset folder --data faces --model {model} --trials 2 --set training.select=foo",
        "evaluate --data": "evaluate one --dataset folder --data nowhere",
        "evaluate RUN": "evaluate nobody",
        "evaluate --set": "evaluate one --set evaluation.ttaa=flip",
        "predict IMAGE": "predict one nowhere.png",
        "predict RUN": "predict nobody one.png",
        "predict --device": "predict one one.png --device gpu",
    }
    return {
        "predict one image": Side("predict one one.png", 1.35),
        "evaluate": Side("evaluate one --set data.test_limit={turn} --quiet", 2.2),
        "run": Side(f"{train} --loss ends --plugin ends.py --name {{turn}}", 2.2, 1),
        "plugins show MODEL": Side(f"plugins show --kind model {model}", 1.35),
        "doctor": Side("doctor --fix", 0.35),
        "tune status": Side("tune status study", 0.35),
        **{f"wrong {name}": Side(line, 0.35, 2) for name, line in wrong.items()},
    }


def call(command: list[str], folder: Path, code: int) -> tuple[float, float]:
    """Processor time of a process, and seconds until it prints something."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    assert process.stdout is not None
    printed = process.stdout.read(1)
    first = time.perf_counter() - begun
    printed += process.stdout.read() or b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        sys.exit(f"{shlex.join(command)} ended with {process.returncode}:\n{printed.decode()}")
    return used.ru_utime + used.ru_stime, first


def prepare(folder: Path, model: str) -> None:
    """Images, a run named ``one`` and a study named ``study`` in the folder."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 30), ("test", 20)):
        for name in CLASSES:
            place = folder / "faces" / part / name
            place.mkdir(parents=True)
            for number in range(count):
                image = Image.fromarray(draw.integers(0, 256, (48, 48), np.uint8))
                image.save(place / f"{number}.png")
    image.save(folder / "one.png")
    (folder / "ends.py").write_text(ENDS)
    train = f"--dataset folder --data faces --model {model} --set training.epochs=1"
    for line in (f"run {train} --name one --no-report", f"tune {train} --name study --trials 1"):
        call([*FERBENCH, *line.split()], folder, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", default="cnn4")
    parser.add_argument("--only", nargs="+", help="sides whose names begin so")
    asked = parser.parse_args()
    several = sides(asked.model)
    if asked.only:
        several = {name: side for name, side in several.items() if name.startswith(tuple(asked.only))}
    reference: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, asked.model)
        for turn in range(-1, asked.rounds):
            torch, _ = call([sys.executable, "-c", REFERENCE], folder, 0)
            if turn >= 0:
                reference.append(torch)
            for side in several.values():
                line = side.line.replace("{turn}", str(turn + 10))
                processor, first = call([*FERBENCH, *shlex.split(line)], folder, side.code)
                if turn >= 0:  # the first round warms up
                    side.processor.append(processor)
                    side.first.append(first)
    print(f"{REFERENCE}: {statistics.median(reference):.2f} s of processor time, {asked.rounds} rounds")
    print(f"{'command':<24} {'processor':>10}   {'ratio':<22} {'aim':<10} first line")
    for name, side in several.items():
        ratios = [own / torch for own, torch in zip(side.processor, reference, strict=True)]
        middle = statistics.median(ratios)
        print(
            f"{name:<24} {statistics.median(side.processor):8.2f} s   "
            f"{middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})".ljust(63),
            f"{side.aim:<5}{'met' if middle <= side.aim else 'MISSED':<7}{statistics.median(side.first):.1f} s",
        )


if __name__ == "__main__":
    main()
