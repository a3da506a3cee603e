"""What is saved while a training goes on, when, and how it goes on from there."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import torch

from ferbench.errors import UserError
from ferbench.records.run import Run
from ferbench.runs.covered import BEST_FILE, changed_since, is_changed, vouched
from ferbench.runs.directory import HISTORY, RunDirectory, history_line
from ferbench.runs.learnt import SAMPLES_FILE
from ferbench.runs.saved import BEST, is_whole
from ferbench.training import checkpoints
from ferbench.training.interruption import Interrupted, Interruption
from ferbench.training.loop import Saver, Training
from ferbench.training.loss_state import state_of
from ferbench.training.position import Position
from ferbench.training.snapshot_check import misfit, try_on
from ferbench.training.snapshots import RandomState, Snapshot, Snapshots, restore_random
from ferbench.training.step import is_out_of_memory
from ferbench.wording import one_line


class RunSaver(Saver):
    """Saves snapshots after every epoch, every so many batches, and when a signal asks the run to end.

    A snapshot is what commits an epoch: the best weights and the history are written after it, and again when a run
    goes on from a snapshot whose followers are not there.

    Args:
        directory: of the run.
        snapshots: of the run.
        every: batches between two snapshots within an epoch; 0: none within an epoch.
        interruption: that signals ask for.
        written: called with each checkpoint, as `TrackerSpec` describes one.
    """

    def __init__(
        self,
        directory: RunDirectory,
        snapshots: Snapshots,
        every: int,
        interruption: Interruption,
        written: Callable[[dict[str, Any]], None] = lambda checkpoint: None,
    ) -> None:
        self._written = written
        self._directory = directory
        self._snapshots = snapshots
        self._every = every
        self._interruption = interruption
        self._saved = 0
        self._ahead: int | None = None
        self._random: RandomState | None = None
        self._history = hashlib.sha256()
        #: SHA-256 of the files that a training goes on with beside a snapshot; the history's is counted on.
        self.files: dict[str, str] = {}
        #: Name of the snapshot that the run goes on from.
        self.resumed_from: str | None = None

    def batch_done(self, training: Training) -> None:
        asked = self._interruption.pending
        if asked is not None or (self._every and training.at.batches - self._saved >= self._every):
            self._save(training)
            self._saved = training.at.batches
        if asked is not None:
            raise Interrupted(asked)

    def validating(self, training: Training) -> None:
        asked = self._interruption.pending
        if asked is None:
            return
        if training.at.batches != self._saved:
            self._snapshot(training)
        raise Interrupted(asked)

    def epoch_done(self, training: Training, improved: bool) -> None:
        self._saved = 0
        assert training.at.record is not None
        self._history.update(history_line(training.at.record))
        if improved:  # the weights are in the snapshot, until they are written
            self.files.pop(BEST_FILE, None)
        self._save(training)
        if improved:
            self.files[BEST_FILE] = save_best(self._directory, training)
            self.report("best", BEST, training.at)
        elif training.at.epoch - 1 == self._ahead:
            raise UserError(
                f"the best weights in {self._directory.checkpoints} are those of an epoch that this machine does not "
                "come to again",
                "give the same command again: the run begins anew",
            )

    def _save(self, training: Training) -> None:
        self.report("snapshot", self._snapshot(training), training.at)

    def _snapshot(self, training: Training) -> str:
        files = {HISTORY: self._history.hexdigest(), **self.files}
        return self._snapshots.save(training, training.at, files)

    def report(self, kind: str, name: str, at: Position) -> None:
        """Report a checkpoint that is written: its kind, ``best`` or ``snapshot``, its name, and where it was made."""
        self._written(checkpoint_at(self._directory, kind, name, at.step, at.epoch, at.batches))

    def resume(self, training: Training, warn: Callable[[str], None], before: Run, begin: Callable[[], None]) -> bool:
        """Put a training to where its newest whole snapshot was; False when there is nothing to go on from.

        Args:
            training: as it was built.
            warn: called with a line.
            before: the record of the run. Where it had ended, no file is kept that is not what that covers.
            begin: called before the first file changes.

        Raises:
            UserError: the history has changed, or nothing can go on from the snapshot.
        """
        directory = self._directory
        facts = None if is_changed(directory, before, BEST_FILE) else _best_facts(directory)

        def why_not(one: Snapshot) -> str:
            if is_changed(directory, before, f"checkpoints/{one.name}.json"):
                return "its SHA-256 in run.json is another"
            return misfit(one, training) or _other_best(one, facts)

        snapshot = self._snapshots.newest(warn, why_not)
        if snapshot is None:
            return False
        best, at, kept = snapshot.best[0], snapshot.position, None if facts is None else facts.epoch
        changed = changed_since(directory, snapshot.name, at.record)
        lost = bool(best) and (kept != best or BEST_FILE in changed)
        here = bool(best) and best == at.epoch - 1 and not at.batches
        # Best weights of an epoch after the snapshot's: going on comes to that epoch again, and to the same weights.
        self._ahead = kept if lost and not here and kept is not None and kept >= at.epoch else None
        if lost and not here and self._ahead is None:
            warn(f"the best weights in {directory.checkpoints / BEST}.safetensors are damaged: the run begins anew")
            return False
        self._refuse_changed(before, snapshot.name, changed, warn)
        try:
            snapshot.restore(training)
            try_on(training)
        except Exception as error:  # whatever a plugin says of a state that it never gave
            if is_out_of_memory(error):
                raise
            path = directory.checkpoints / snapshot.name
            raise UserError(
                f"nothing can go on from the checkpoint {path}.json: {one_line(str(error)) or type(error).__name__}",
                "remove its two files: the run goes on from the one before it, or begins anew",
            ) from error
        begin()
        self.files = {name: digest for name, digest in vouched(directory, snapshot.name).items() if name != HISTORY}
        if here:  # no snapshot vouches yet for what lies there
            self.files[BEST_FILE] = save_best(directory, training)
        self._random, self.resumed_from = snapshot.random, snapshot.name
        self._history.update(directory.keep_history(at.epoch - 1, at.record))
        self._saved = training.at.batches
        return True

    def _refuse_changed(self, before: Run, snapshot: str, changed: list[str], warn: Callable[[str], None]) -> None:
        """For a run that would go on from there and keep what is not what was written.

        Raises:
            UserError: the history is such, or the samples of a run that started from another one, or was taught by one.
        """
        directory = self._directory
        known = vouched(directory, snapshot)
        for name in (HISTORY, SAMPLES_FILE) if before.lineage.sources else (HISTORY,):
            if not known and name not in (before.files or {}):
                warn(f"no digest vouches for {directory.path / name}: it is taken as it is")
            elif name in changed if known else is_changed(directory, before, name):
                raise UserError(
                    f"the run cannot go on: {directory.path / name} is not what was written: its SHA-256 is another",
                    f"take it from a backup; or 'ferbench runs rm {directory.path.name}', then run again",
                )

    def restore_random(self, device: torch.device) -> None:
        """Put the random generators to where the snapshot that was resumed has them."""
        assert self._random is not None
        restore_random(self._random, device)


def checkpoint_at(directory: RunDirectory, kind: str, name: str, step: int, epoch: int, batches: int) -> dict[str, Any]:
    """A checkpoint as `TrackerSpec` describes one, from the position that it was made at: ``batches`` of ``epoch`` are
    done."""
    return {
        "path": str(directory.checkpoints / f"{name}.safetensors"),
        "kind": kind,
        "epoch": epoch if batches else epoch - 1,
        "batches": batches,
        "step": step,
    }


def save_best(directory: RunDirectory, training: Training) -> str:
    """Keep the validated weights as those of the best epoch, and the state that the loss has with them; the SHA-256 of
    their JSON."""
    best = training.best
    about = {"epoch": best.epoch, "select": best.metric, "value": best.value if math.isfinite(best.value) else None}
    return checkpoints.save_weights(directory.checkpoints, BEST, training.validated, about, state_of(training.loss))


def _best_facts(directory: RunDirectory) -> checkpoints.WeightsFacts | None:
    """What is known of the weights that are kept; None when they are damaged or not there."""
    if not is_whole(directory.checkpoints, BEST):
        return None
    try:
        return checkpoints.read_facts(directory.checkpoints, BEST)
    except ValueError:
        return None


def _other_best(snapshot: Snapshot, facts: checkpoints.WeightsFacts | None) -> str:
    """Where a snapshot gives the best epoch another value than stands beside its weights; empty where it does not."""
    epoch, value = snapshot.best
    if facts is None or facts.epoch != epoch or facts.value == (value if math.isfinite(value) else None):
        return ""
    return f"epoch {epoch} has another {facts.select} beside its weights"
