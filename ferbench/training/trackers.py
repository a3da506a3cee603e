"""Notifying plugins of how a run goes, so that none of them can fail it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.discovery import warn_on_stderr
from ferbench.plugin.faults import describe


class Trackers:
    """The trackers of one run.

    Each is called alone and with a copy of the content; one that raises is reported once and not called again.

    Args:
        chosen: the tracker components with their options.
    """

    def __init__(self, chosen: Sequence[ChosenComponent]) -> None:
        self._trackers: dict[str, Any] = {}
        for tracker in chosen:
            name = tracker.component.title
            try:
                self._trackers[name] = tracker.build()
            except (Exception, SystemExit) as error:
                self._give_up(name, "could not be built", error)

    def notify(self, event: str, content: Mapping[str, Any]) -> None:
        """Call ``event``, one of `TrackerSpec.EVENTS`, on each that has it."""
        for name, tracker in list(self._trackers.items()):
            call = getattr(tracker, event, None)
            if call is None:
                continue
            try:
                call(copy.deepcopy(dict(content)))
            except (Exception, SystemExit) as error:
                self._give_up(name, f"failed in {event}", error)

    def _give_up(self, name: str, what: str, error: BaseException) -> None:
        self._trackers.pop(name, None)
        warn_on_stderr(f"{name} {what} and is left out for the rest of the run: {describe(error)}")
