"""A fault at every call of a small run that changes the disk, and the same command again without."""

from __future__ import annotations

import re
from pathlib import Path

from disk import KILLED, Disk
from small_run import Ended, Whole, fresh, goes_on, outcome, run

from ferbench.runs.directory import RunDirectory
from ferbench.runs.verify import Verification


def calls(directory: Path) -> list[tuple[str, str]]:
    """The calls of the run in ``directory`` that change the disk below it: name and path."""
    log = directory / "calls.txt"
    ended = run(directory, lambda: Disk([directory / "results", directory / "cache"], log=log).install())
    assert ended.code == 0, ended.said
    return [(name, path) for name, _, path in (line.partition(" ") for line in log.read_text().splitlines())]


def trial(directory: Path, whole: Whole, at: int, fault: str, *, packing: bool = False) -> str | None:
    """One fault and what came of it; None when all is as it should be, else what is not.

    Args:
        directory: to work in.
        whole: the run without faults.
        at: at which call, from 1.
        fault: one of ``disk.FAULTS``.
        packing: from an empty cache.
    """
    fresh(directory, whole.directory)
    if packing:
        (directory / "cache").unlink()
        (directory / "cache").mkdir()
    below = [directory / "results", *([directory / "cache"] if packing else [])]
    ended = run(directory, lambda: Disk(below, at, fault).install())
    if fault == "exit" and ended.code != KILLED:
        return f"the process went on to exit code {ended.code}"
    if fault != "exit" and ended.code == 0:
        return None if outcome(directory) == whole.left else "it said that all is well, and it is not"
    wrong = None if fault == "exit" else unclear(ended, directory)
    return wrong or verified(directory, "damaged", False) or goes_on(directory, whole, ended) or verified(directory)


def verified(directory: Path, verdict: str = "whole", is_so: bool = True) -> str | None:
    """What is wrong with what ``ferbench runs verify`` says of the run, if it has a record; None when nothing is: of
    one that was cut short that it is not damaged, of one that has ended that it is whole."""
    for record in directory.glob("results/runs/*/run.json"):
        found = Verification.of(RunDirectory(record.parent))
        if (found.verdict == verdict) != is_so:
            return f"verified as {found.verdict}: {[finding.what for finding in found.findings]}"
    return None


def unclear(ended: Ended, directory: Path) -> str | None:
    """What is wrong with how a run said that it could not write; None when nothing is."""
    if "Traceback" in ended.said:
        return f"a traceback: {ended.said.splitlines()[-1]}"
    if ended.code != 2 or "error: " not in ended.said:
        return f"exit code {ended.code} without a clear error: {ended.said.strip().splitlines()[-1:]}"
    if not re.search(rf"error: .*{re.escape(str(directory))}/\S+", ended.said):
        return f"the error names no file: {ended.said.strip().splitlines()[-2:]}"
    return None if "  → " in ended.said else "the error has no remedy"
