"""Notifying plugins of how a run goes, so that none of them can fail it, hold it up, or keep its process from ending.

Each tracker lives in a thread of its own, and is waited for only so long.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.culprit import in_a_line
from ferbench.plugin.discovery import warn_on_stderr
from ferbench.plugin.guard import keep_from_exiting, silent
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory
from ferbench.runs.saved import BEST
from ferbench.training.saving import checkpoint_at
from ferbench.training.snapshots import Snapshots

#: Seconds that a tracker may wait for others in a call, and until it has heard of the start. Those in which it computes
#: are not counted, of which a call may have so many.
PATIENCE, MOST = 10.0, 30.0

#: Seconds between two looks at a tracker, and the share of them in which it computes that counts as being at work.
_LOOK, _AT_WORK = 0.25, 0.05

#: Titles of trackers that were left in the middle of a call. What they hold may keep the process from ending.
stuck: list[str] = []


class Trackers:
    """The trackers of one run.

    Each is called alone and with a copy of the content; one that raises, or does not answer in time, is reported once
    and not called again. One that did not answer is not waited for by the other runs of the command either.

    Args:
        chosen: the tracker components with their options.
        given_up: is told of each of these, the tracker and what is wrong in a line; None: a warning on stderr.
    """

    def __init__(
        self, chosen: Sequence[ChosenComponent], given_up: Callable[[ChosenComponent, str], None] | None = None
    ) -> None:
        self._given_up = given_up or _warn
        asked = [tracker for tracker in chosen if given_up is not None or _called(tracker) not in silent]
        self._trackers = [_Tracker(tracker) for tracker in asked]
        for tracker in list(self._trackers):
            self._look_at(tracker, tracker.build())

    def notify(self, event: str, content: Mapping[str, Any]) -> None:
        """Call ``event``, one of `TrackerSpec.EVENTS`, on each that has it."""
        for tracker in list(self._trackers):
            self._look_at(tracker, tracker.call(event, copy.deepcopy(dict(content))))

    def _look_at(self, tracker: _Tracker, fault: str) -> None:
        if fault:
            self._trackers.remove(tracker)
            if tracker.is_silent:
                silent.add(_called(tracker.chosen))
            self._given_up(tracker.chosen, fault)


def _called(chosen: ChosenComponent) -> str:
    """A tracker and its options."""
    return f"{chosen.component.qualified_name} {json.dumps(dict(chosen.options), sort_keys=True, default=str)}"


def _warn(chosen: ChosenComponent, fault: str) -> None:
    again = ", and no other run of this command waits for it" if _called(chosen) in silent else ""
    warn_on_stderr(
        f"{chosen.component.title} {fault}{again}; "
        f"'ferbench runs send RUN --tracker {chosen.component.name}' sends it the run when that has ended"
    )


class _Tracker:
    """A tracker, and the thread that it is built and called in, which never keeps the process from ending."""

    def __init__(self, chosen: ChosenComponent) -> None:
        self.chosen = chosen
        self.is_silent = False
        self._tracker: Any = None
        self._waited = 0.0
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._clock: int | None = None
        threading.Thread(target=self._work, name=f"tracker {chosen.component.name}", daemon=True).start()

    def build(self) -> str:
        """Build it; gives what went wrong, in words that follow its title."""
        what = "could not be built and is left out for the rest of the run"
        try:
            build = self.chosen.builder()  # in the main thread, without haste: a heavy import is not a silent server
        except Exception as error:
            return f"{what}: {in_a_line(error)}"

        def act() -> None:
            self._tracker = build()

        return self._done(act, what)

    def call(self, event: str, content: dict[str, Any]) -> str:
        """Let it hear of something; gives what went wrong, in words that follow its title."""
        if event != "run_started":  # with which the start ends
            self._waited = 0.0

        def act() -> None:
            method = getattr(self._tracker, event, None)
            if method is not None:
                method(content)

        return self._done(act, f"failed in {event} and is left out for the rest of the run")

    def _done(self, act: Callable[[], None], what: str) -> str:
        ended, faults = threading.Event(), list[str]()

        def work() -> None:
            try:
                act()
            except BaseException as error:  # of its own: no signal reaches this thread
                faults.append(f"{what}: {in_a_line(error)}")
            finally:
                ended.set()

        self._calls.put(work)
        if not self._in_time(ended):
            self.is_silent = True
            stuck.append(self.chosen.component.title)
            return f"{what}: no answer for {self._waited:.0f} s"
        return faults[0] if faults else ""

    def _in_time(self, ended: threading.Event) -> bool:
        began = before = time.monotonic()
        computed = self._computed()
        while not ended.wait(_LOOK):
            now, since = time.monotonic(), self._computed()
            if since - computed < _AT_WORK * (now - before):
                self._waited += now - before
            before, computed = now, since
            if self._waited >= PATIENCE or now - began >= MOST:
                self._waited = max(self._waited, now - began)
                return False
        return True

    def _computed(self) -> float:
        """Seconds of a processor that its thread has had; 0 where nobody counts them."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    def _work(self) -> None:
        keep_from_exiting()
        if hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        while True:
            self._calls.get()()


def send(directory: RunDirectory, chosen: ChosenComponent) -> None:
    """Let a tracker hear of a run that has ended, all that it would have heard while the run was trained.

    Snapshots that made room for newer ones are left out.

    Args:
        directory: of the run.
        chosen: the tracker with its options.

    Raises:
        UserError: the run has not ended, or was not trained; or the tracker fails.
    """
    record = directory.load()
    name = directory.path.name
    if record.kind != "trained":
        raise UserError(f"run {name} was not trained: it is {record.kind}", "send a run that 'ferbench run' made")
    if record.status == "running":
        raise UserError(f"run {name} has not ended", f"wait for it, or go on with 'ferbench resume {name}'")

    def refuse(_: ChosenComponent, fault: str) -> None:
        cause = fault.replace(" and is left out for the rest of the run", "")
        raise UserError(f"{chosen.component.title} {cause}", "see to the tracker, then send the run again")

    trackers = Trackers([chosen], refuse)
    known = {key: value for key, value in record.plain().items() if key not in ("training", "error")}
    trackers.notify("run_started", {**known, "status": "running", "finished": None, "evaluations": {}})
    checkpoints = _checkpoints(directory, record)
    for epoch in directory.epochs():
        for checkpoint in checkpoints:
            if checkpoint["epoch"] == epoch.epoch:
                trackers.notify("checkpoint_written", checkpoint)
        trackers.notify("epoch_ended", epoch.plain())
    trackers.notify("run_finished" if record.status == "done" else "run_failed", record.plain())


def _checkpoints(directory: RunDirectory, record: Run) -> list[dict[str, Any]]:
    """Those that are there, as `TrackerSpec` describes one."""
    snapshots = Snapshots(directory.checkpoints, record.identity.training_id)
    found = []
    for name in snapshots.names():
        if (position := snapshots.position(name)) is not None:
            found.append(checkpoint_at(directory, "snapshot", name, *position))
    best = 0 if record.training is None else record.training.best_epoch
    at = next((each for each in found if each["epoch"] == best and not each["batches"]), None)
    if at is not None and (directory.checkpoints / f"{BEST}.safetensors").is_file():
        found.append(checkpoint_at(directory, "best", BEST, at["step"], best + 1, 0))
    return found
