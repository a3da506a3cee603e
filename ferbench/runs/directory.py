"""One run on disk.

results/runs/<training_id, 12 digits>/
    run.json                what it is, where it ran, how it ended
    history.jsonl           one line per epoch
    corrections.csv         training labels that the loss has corrected, if it has
    checkpoints/            weights of the best epoch (safetensors + JSON)
    evaluations/<evaluation_id, 12 digits>/
        metrics.json        scores over one set of samples
        predictions.npz     sample id, truth, probabilities: readable without torch
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.bounded import Damaged, read_file
from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.records.upgrades import SCHEMA_VERSION
from ferbench.runs.predictions import Predictions, damaged, malformed, read_predictions
from ferbench.runs.reads import note
from ferbench.runs.sealed import seal
from ferbench.storage import append_to_file, replace_file, replace_json

if TYPE_CHECKING:  # with pydantic, which whoever has an index does without; so is their reader
    from ferbench.records.epoch import Epoch
    from ferbench.records.evaluation import Evaluation, EvaluationEntry
    from ferbench.records.run import Run

#: One line an epoch.
HISTORY = "history.jsonl"

#: What a run's directory, and an evaluation's, is called: the first digits of its id.
SHORT_ID = re.compile(r"[0-9a-f]{12}")


class RunDirectory:
    """The directory of one run.

    Args:
        path: ``results/runs/<id>``; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def record_path(self) -> Path:
        return self.path / "run.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def exists(self) -> bool:
        """Whether there is a record, whatever it is."""
        return os.path.lexists(self.record_path)

    def load(self) -> Run:
        """``run.json``.

        Raises:
            UserError: it is missing, damaged, or written by a newer ferbench.
        """
        from ferbench.records.reading import REMEDY, read_run

        try:
            content = read_file(self.record_path)
        except Damaged as error:
            raise UserError(f"{self.record_path} is damaged: {error}", REMEDY) from error
        except OSError as error:
            raise UserError(
                f"cannot read {self.record_path}: {error.strerror}", "check the results directory (--results)"
            ) from error
        return read_run(content, self.record_path)

    def save(self, record: Run) -> None:
        """Replace ``run.json``, with its own digest and, unless the run goes on, those of its files."""
        from ferbench.records.own import own_of, with_own
        from ferbench.runs.covered import covered

        record.files = covered(self, record)
        record.schema_version = SCHEMA_VERSION
        content = with_own({"schema": SCHEMA_VERSION, "kind": record.kind, **record.plain()})
        replace_file(self.record_path, content)
        record.own = own_of(content)

    def epochs(self) -> list[Epoch]:
        """The epochs so far; a last line cut short by a crash is left out.

        Raises:
            UserError: the file cannot be read.
        """
        return [epoch for _, epoch in self._lines()]

    def _lines(self) -> Iterator[tuple[bytes, Epoch]]:
        from ferbench.records.reading import read_epoch

        path = self.path / HISTORY
        try:
            lines = read_file(path).splitlines()
        except FileNotFoundError:
            return
        except (OSError, Damaged) as error:
            raise UserError(
                f"{path} is damaged: {getattr(error, 'strerror', None) or error}",
                "take it from a backup, or remove it: the run is then without learning curves",
            ) from error
        for line in lines:
            try:
                yield line, read_epoch(line)
            except ValueError:
                return

    def evaluation_path(self, short_id: str) -> Path:
        """Where an evaluation lies."""
        return self.path / "evaluations" / short_id

    def load_evaluation(self, short_id: str) -> Evaluation | None:
        """``metrics.json`` of an evaluation, None when there is none, or one that is damaged."""
        from ferbench.records.reading import read_evaluation

        try:
            return read_evaluation(read_file(self.evaluation_path(short_id) / "metrics.json"))
        except (OSError, ValueError):
            return None

    def save_evaluation(
        self, evaluation: Evaluation, predictions: Predictions, *, of: Run | None = None
    ) -> EvaluationEntry:
        """Write predictions first and metrics last, with the SHA-256 of both: an evaluation with metrics is complete.

        Args:
            evaluation: in full.
            predictions: that it follows from.
            of: the run's record: a test is put into the ledger of test reads before anything of it is written; None:
                what is known already is written anew.

        Returns:
            The evaluation as the run's record has it.

        Raises:
            UserError: it cannot be written.
        """
        if of is not None and (line := note(self, of, evaluation)) is not None:
            evaluation.read = line
        path, content = self.evaluation_path(short(evaluation.evaluation_id)), predictions.to_bytes()
        replace_file(path / "predictions.npz", content)
        about = evaluation.model_copy(update={"predictions_sha256": hashlib.sha256(content).hexdigest()}).plain()
        replace_json(path / "metrics.json", seal(about))
        return evaluation.entry()

    def start_history(self) -> None:
        """Begin ``history.jsonl`` anew."""
        replace_file(self.path / HISTORY, b"")

    def kept_history(self, epochs: int, last: Epoch | None) -> bytes:
        """The history cut back to its first ``epochs``, with the last of them where it is not there."""
        kept = {epoch.epoch: line + b"\n" for line, epoch in self._lines() if epoch.epoch <= epochs}
        if last is not None and max(kept, default=0) < last.epoch:
            kept[last.epoch] = history_line(last)
        return b"".join(kept.values())

    def keep_history(self, epochs: int, last: Epoch | None) -> bytes:
        """Put `kept_history` in the history's place."""
        content = self.kept_history(epochs, last)
        replace_file(self.path / HISTORY, content)
        return content

    def append_history(self, epoch: Epoch) -> None:
        """Add one epoch."""
        append_to_file(self.path / HISTORY, history_line(epoch))

    def predictions(self, short_id: str) -> Predictions:
        """Predictions of an evaluation.

        Raises:
            UserError: there are none, or the file is damaged.
        """
        return self.tested(short_id)[0]

    def tested(self, short_id: str) -> tuple[Predictions, Evaluation | None]:
        """Predictions of an evaluation, and its ``metrics.json`` as `load_evaluation` has it: of as many samples and
        classes as that says.

        Raises:
            UserError: there are no predictions, or the file is damaged.
        """
        path = self.evaluation_path(short_id) / "predictions.npz"
        predictions, stored = read_predictions(path), self.load_evaluation(short_id)
        classes = len((self.load().data if stored is None else stored).class_names)
        if what := malformed(predictions, classes):
            raise damaged(path, what)
        if stored is not None and stored.n != len(predictions.ids):
            raise damaged(path, f"it has {len(predictions.ids):,} samples, its metrics.json {stored.n:,}")
        return predictions, stored


def history_line(epoch: Epoch) -> bytes:
    """What ``history.jsonl`` has of an epoch."""
    return json.dumps(epoch.plain(), allow_nan=False).encode() + b"\n"


def run_path(results: Path, short_id: str) -> Path:
    """Where the run with that twelve-digit id lives."""
    return results / "runs" / short_id


def all_runs(results: Path) -> Iterator[RunDirectory]:
    """Every run directory with a record, by id."""
    try:
        with os.scandir(results / "runs") as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return
    for name in names:
        run = RunDirectory(results / "runs" / name)
        if run.exists():
            yield run
