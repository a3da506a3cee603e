"""What ``import ferbench`` costs beside ``import click, pluggy``, and ``load_results(…).frame()`` over many runs.

    python benchmarks/speed/front_door.py --runs 10000 --rounds 15

Each call is a process of its own, the sides take turns. Processor time is shown beside wall time, since only that means
something on a busy machine. The frame is made with the index of the call before; the last line says which heavy modules
that imported.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from leaderboard import AGED, make_record, write

SIDES = {"import click, pluggy": "import click, pluggy", "import ferbench": "import ferbench"}
FRAME = "import ferbench; frame = ferbench.load_results({results!r}).frame()"
HEAVY = {"numpy", "pandas", "plotly", "pydantic", "sklearn", "torch"}
LOADED = f"; import sys; print(len(frame), *sorted({HEAVY} & set(sys.modules)))"


def took(code: str, compiled: Path) -> tuple[float, float, str]:
    """Seconds of wall and of processor time that a process takes for some code, and what it prints.

    Args:
        code: of the process.
        compiled: where compiled modules are kept, as in any installation, even where the environment forbids it.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def shown(name: str, times: Sequence[tuple[float, float]]) -> list[float]:
    """Print the medians of wall and processor time, and give them."""
    middles = [statistics.median(one) for one in zip(*times, strict=True)]
    print(f"{name:<34} {middles[0]:7.3f} s wall {middles[1]:7.3f} s processor")
    return middles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        compiled = Path(folder, "compiled")
        for code in SIDES.values():
            took(code, compiled)
        for _ in range(given.rounds):
            for name, code in SIDES.items():
                times[name].append(took(code, compiled)[:2])
        base, own = (shown(name, several) for name, several in times.items())
        print(f"ratio: {own[0] / base[0]:.2f} wall, {own[1] / base[1]:.2f} processor (aim: 1.5)")
        for number in range(given.runs):
            record = make_record(number)
            run = results / "runs" / record["identity"]["training_id"][3:15]
            run.mkdir(parents=True)
            write(run / "run.json", record, AGED)
        time.sleep(2.5)  # the times of the files themselves cannot be set back
        code = FRAME.format(results=str(results))
        took(code, compiled)  # makes the index
        shown(f"a frame of {given.runs:,} runs", [took(code, compiled)[:2] for _ in range(5)])
        print("rows, and modules that were imported:", took(code + LOADED, compiled)[2].strip())


if __name__ == "__main__":
    main()
