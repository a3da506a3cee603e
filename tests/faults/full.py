"""Every fault, in full: prints what was tried and how much of it came out as it should.

    python tests/faults/full.py                      all parts
    python tests/faults/full.py kills terminations   these parts
    python tests/faults/full.py --share 0.1          a tenth of everything

Parts: kills, terminations, faults, packing, damage, disks, calls, hosts, inputs, runs, names.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import damage
import hostile_names
import injection
import kills
import real_disks
import system_calls
import two_hosts
from browser import open_chromium
from disk import FAULTS
from foreign_runs import Elsewhere
from inputs import kinds as input_kinds
from inputs import tried
from small_run import Whole, fresh, prepare, remember_plugins

SEED = 20261123


@dataclass(frozen=True)
class Counted:
    """A line of the table.

    Attributes:
        what: was tried.
        tried: how often.
        good: how many of them came out as they should.
        notes: more that was counted.
    """

    what: str
    tried: int
    good: int
    notes: str = ""


@dataclass
class Room:
    """Where the parts work.

    Attributes:
        base: an empty directory.
        share: of everything that is tried.
    """

    base: Path
    share: float
    _whole: Whole | None = None

    @property
    def whole(self) -> Whole:
        if self._whole is None:
            self._whole = prepare(self.base / "whole")
        return self._whole

    def some(self, number: int) -> int:
        """A share of a number, at least one."""
        return max(1, round(number * self.share))


def killed(room: Room) -> Iterator[Counted]:
    """SIGKILL at random instants."""
    draw, batches, bad = random.Random(SEED), [], 0
    for _ in range(room.some(200)):
        one = kills.kill(room.base / "trial", room.whole, draw)
        bad += _said(one.wrong)
        batches.append(one.ended.batches)
    training = sum(0 < n < 15 for n in batches)
    yield Counted("SIGKILL at a random instant", len(batches), len(batches) - bad, f"{training} while it trained")


def terminated(room: Room) -> Iterator[Counted]:
    """SIGTERM at random instants, until enough of them came while the run listened for it."""
    draw, codes, bad, slowest = random.Random(SEED), Counter[int](), Counter[int](), 0.0
    while codes[143] < room.some(50):
        one = kills.terminate(room.base / "trial", room.whole, draw)
        codes[one.ended.code] += 1
        bad[one.ended.code] += _said(one.wrong)
        slowest = max(slowest, one.seconds)
    for code, count in codes.items():
        what = "while the run is at work" if code == 143 else "before it, or after it is done"
        yield Counted(f"SIGTERM {what}", count, count - bad[code], f"exit {code}, at most {slowest:.1f} s to end")


def faults(room: Room) -> Iterator[Counted]:
    """Every fault at every call of the run that changes the disk."""
    count = len(injection.calls(fresh(room.base / "calls", room.whole.directory)))
    for fault in FAULTS:
        yield _injected(room, fault, range(1, count + 1), packing=False)


def packing(room: Room) -> Iterator[Counted]:
    """The same where the dataset is packed first, at the calls that do so."""
    directory = room.base / "calls-packing"
    directory.mkdir()
    calls = injection.calls(directory)
    places = [at for at, (_, path) in enumerate(calls, 1) if path.startswith(str(directory / "cache"))]
    for fault in ("exit", "ENOSPC from then on", "EACCES from then on"):
        yield _injected(room, fault, places, packing=True)


def _injected(room: Room, fault: str, places: range | list[int], *, packing: bool) -> Counted:
    chosen = places[:: max(1, round(1 / room.share))]
    bad = 0
    for at in chosen:
        bad += _said(injection.trial(room.base / "trial", room.whole, at, fault, packing=packing), f"{fault} at {at}: ")
    where = " of packing" if packing else ""
    return Counted(f"{fault} at every call{where}", len(chosen), len(chosen) - bad)


def damaged(room: Room) -> Iterator[Counted]:
    """Bits flipped and files cut, until enough files were damaged."""
    draw = random.Random(SEED)
    of = damage.interrupted(room.base / "interrupted", room.whole)
    files = trials = bad = 0
    while files < room.some(200):
        count, wrong = damage.trial(room.base / "trial", of, room.whole, draw)
        files, trials, bad = files + count, trials + 1, bad + _said(wrong)
    yield Counted("runs with damaged checkpoint files", trials, trials - bad, f"{files} files damaged")


def disks(room: Room) -> Iterator[Counted]:
    """Disks that really are full or read-only."""
    room.base.chmod(0o755)
    if not real_disks.may_mount(room.base):
        yield Counted("real disks", 0, 0, "this process may not mount any")
        return
    sizes = real_disks.SIZES[:: max(1, round(1 / room.share))]
    bad = sum(_said(real_disks.full_disk(room.base / "trial", room.whole, kib), f"{kib} KiB: ") for kib in sizes)
    yield Counted("full tmpfs", len(sizes), len(sizes) - bad, f"{sizes[0]} to {sizes[-1]} KiB")
    yield Counted("read-only tmpfs", 1, 1 - _said(real_disks.read_only_disk(room.base / "trial", room.whole)))
    yield Counted(
        "another user's directory", 1, 1 - _said(real_disks.forbidden_directory(room.base / "trial", room.whole))
    )


def calls(room: Room) -> Iterator[Counted]:
    """Whether every call of the system that changes the disk is one of the watched ones."""
    if not system_calls.may_trace():
        yield Counted("system calls that change the disk", 0, 0, "there is no strace, or it may not trace")
        return
    count, missing = system_calls.unwatched(room.base / "traced")
    for one in missing:
        print(f"unwatched: {one}", file=sys.stderr)
    yield Counted("system calls that change the disk", count, count - len(missing), "watched, by strace")


def hosts(room: Room) -> Iterator[Counted]:
    """Two hosts whose file system has no locks, or does not show one those of the other."""
    paths = two_hosts.log_of_calls(room.base / "calls-hosts", room.whole)
    draw = random.Random(SEED)
    for where, most in (("has ended", 0), ("is stopped in its run", len(paths)), ("is stopped as it takes over", 40)):
        endings, bad = Counter[str](), 0
        for at in range(1, len(paths) + 1)[:: max(1, round(1 / room.share))]:
            other_at = draw.randint(1, most) if most else 0
            trial = two_hosts.stopped_at(room.base / "trial", room.whole, paths, at, other_at)
            bad += _said(trial.wrong, f"stopped before {at} and {other_at}: ")
            endings[trial.ending] += 1
        notes = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
        count = endings.total()
        yield Counted(f"stopped before every call, going on when the other host {where}", count, count - bad, notes)
    for number, what in ((signal.SIGSTOP, "stopped, and going on after"), (signal.SIGKILL, "killed before")):
        for error in two_hosts.ERRORS:
            draw, endings, bad = random.Random(SEED), Counter[str](), 0
            for _ in range(room.some(50)):
                trial = two_hosts.taken_over(room.base / "trial", room.whole, draw, error, number)
                bad += _said(trial.wrong)
                endings[trial.ending] += 1
            notes = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
            count = endings.total()
            yield Counted(f"{_flock(error)}: {what} another host took over", count, count - bad, notes)
    for error in two_hosts.ERRORS:
        count = room.some(20)
        bad = sum(_said(two_hosts.together(room.base / "trial", room.whole, error)) for _ in range(count))
        yield Counted(f"{_flock(error)}: 12 hosts begin a run at once", count, count - bad)
    library = two_hosts.library(room.base)
    for error in two_hosts.ERRORS if library is not None else ():
        wrong = two_hosts.alone(fresh(room.base / "trial", room.whole.directory), room.whole, library, error)
        yield Counted(f"{_flock(error)}, by a preloaded library: a run", 1, 1 - _said(wrong))


def _flock(error: str) -> str:
    return f"flock gives {error}" if error else "flock is seen by one host"


def inputs(room: Room) -> Iterator[Counted]:
    """Mutations of what is read from outside."""
    undo = remember_plugins()
    for kind in input_kinds(room.base / "inputs"):
        found = tried(kind, room.some(10_000), SEED)
        for one in found.wrong[:20]:
            _said(one, f"{kind.what}: ")
        accepted = f"{found.accepted:,} {next(iter(kind.accepted), 'input')}s accepted, as their bytes state them"
        yield Counted(f"mutations of {kind.what}", found.count, found.count - len(found.wrong), accepted)
    undo()


def runs(room: Room) -> Iterator[Counted]:
    """Commands on runs from elsewhere."""
    elsewhere = Elsewhere(room.base / "elsewhere", room.whole)
    undo = remember_plugins()
    found = elsewhere.tried(room.some(3_000), SEED)
    undo()
    for one in found.wrong[:20]:
        _said(one)
    yield Counted("commands on changed run directories", found.count, found.count - len(found.wrong))


def names(room: Room) -> Iterator[Counted]:
    """Names and labels that would come to life, in every format."""
    chosen = hostile_names.NAMES[:: max(1, round(1 / room.share))]
    bad: Counter[str] = Counter()
    with open_chromium() as browser:
        for number, name in enumerate(chosen):
            results = room.base / f"names-{number}"
            wrong = hostile_names.live(hostile_names.shown(results, hostile_names.made(results, [name])[0]))
            if browser is not None:
                found = hostile_names.lives_in_pages(browser, room.base / f"pages-{number}", [name])
                wrong |= {} if found is None else {"html": found}
            for form, what in wrong.items():
                bad[form] += _said(what, f"{name[:40]!r} in {form}: ")
    for form in (*hostile_names.LOOKS, "html"):
        count = 0 if form == "html" and browser is None else len(chosen)
        where = "in headless Chromium: a report and a leaderboard" if form == "html" else ""
        yield Counted(f"hostile names in {form}", count, count - bad[form], where)


def _said(wrong: str | None, where: str = "") -> int:
    if wrong is not None:
        print(f"{where}{wrong}", file=sys.stderr, flush=True)
    return wrong is not None


PARTS: dict[str, Callable[[Room], Iterator[Counted]]] = {
    "calls": calls,
    "hosts": hosts,
    "kills": killed,
    "terminations": terminated,
    "faults": faults,
    "packing": packing,
    "damage": damaged,
    "disks": disks,
    "inputs": inputs,
    "runs": runs,
    "names": names,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all of them")
    parser.add_argument("--share", type=float, default=1.0, help="of everything that is tried; default: all of it")
    options = parser.parse_args()
    chosen = options.parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    memory = Path("/dev/shm")
    bad = 0
    print("| part | what | tried | as it should be | notes | seconds |\n|---|---|---:|---:|---|---:|", flush=True)
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        room = Room(Path(name), options.share)
        for part in chosen:
            started = time.perf_counter()
            for line in PARTS[part](room):
                seconds = time.perf_counter() - started
                started = time.perf_counter()
                print(
                    f"| {part} | {line.what} | {line.tried} | {line.good} | {line.notes} | {seconds:.0f} |", flush=True
                )
                bad += line.tried - line.good
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
