"""A small run that is killed or asked to end at any instant, and the same command again."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from small_run import Ended, Whole, finish, fresh, goes_on, no_process_left, start

#: What a scheduler grants between SIGTERM and SIGKILL, in seconds.
GRACE = 30


@dataclass(frozen=True)
class Killed:
    """What came of one signal.

    Attributes:
        wrong: what is not as it should be; None when all is.
        ended: the process that got the signal.
        seconds: from the signal to its end.
    """

    wrong: str | None
    ended: Ended
    seconds: float


def kill(directory: Path, whole: Whole, draw: random.Random) -> Killed:
    """SIGKILL at an instant of the run."""
    ended, seconds = _signalled(directory, whole, draw, signal.SIGKILL)
    return Killed(goes_on(directory, whole, ended), ended, seconds)


def terminate(directory: Path, whole: Whole, draw: random.Random) -> Killed:
    """SIGTERM at an instant of the run; nothing that has been trained by then is trained again."""
    ended, seconds = _signalled(directory, whole, draw, signal.SIGTERM)
    # Before and after it listens for signals, the process ends by the signal itself: 143 for a shell as well.
    if ended.code not in (128 + signal.SIGTERM, -signal.SIGTERM):
        return Killed(f"exit code {ended.code}: {ended.said.strip()[-2000:]}", ended, seconds)
    if "Traceback" in ended.said or "Exception ignored" in ended.said:
        return Killed(f"a traceback: {ended.said.splitlines()[-1]}", ended, seconds)
    if seconds > GRACE:
        return Killed(f"it took {seconds:.0f} s to end", ended, seconds)
    return Killed(goes_on(directory, whole, ended, interval=0), ended, seconds)


def _signalled(directory: Path, whole: Whole, draw: random.Random, number: int) -> tuple[Ended, float]:
    """Signal a run at a random instant; one that was over by then is done again with another instant."""
    while True:
        fresh(directory, whole.directory)
        instant = draw.random() * whole.seconds
        child = start(directory)
        time.sleep(instant)
        over = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        sent = time.perf_counter()
        os.kill(child, number)
        ended = finish(child, directory)
        seconds = time.perf_counter() - sent
        assert no_process_left(child), "a process of the run outlived it"
        if not over and ended.code != 0:
            return ended, seconds
