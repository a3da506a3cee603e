"""One run on disk.

results/runs/<training_id, 12 digits>/
    run.json                what it is, where it ran, how it ended
    history.jsonl           one line per epoch
    checkpoints/            weights of the best epoch (safetensors + JSON)
    evaluations/<evaluation_id, 12 digits>/
        metrics.json        scores over one set of samples
        predictions.npz     sample id, truth, probabilities: readable without torch
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.metrics.probabilities import predicted_classes
from ferbench.records.upgrades import SCHEMA_VERSION, upgraded
from ferbench.runs import names
from ferbench.runs.shape import EVALUATION, REMEDY, misplaced, parts, shape_of
from ferbench.storage import is_file, replace_file, replace_json, writing

if TYPE_CHECKING:
    from ferbench.records.epoch import Epoch
    from ferbench.records.evaluation import Evaluation, EvaluationEntry
    from ferbench.records.run import Run

#: Before the name of a column of the samples among the arrays of predictions.
_COLUMN = "column:"

#: What a run's directory, and an evaluation's, is called: the first digits of its id.
SHORT_ID = re.compile(r"[0-9a-f]{12}")

#: What ``metrics.json`` has beside the scores: the SHA-256 of the predictions, and of itself.
DIGESTS = ("predictions_sha256", "own")

Status = Literal["running", "done", "failed", "diverged", "interrupted", "pruned"]


@dataclass(frozen=True)
class Predictions:
    """What a model says about a set of samples.

    Attributes:
        ids: str[n] sample ids; everything that joins predictions joins on them.
        truth: int64[n] class ids of the task.
        probabilities: float32[n, K] softmax of the logits.
        affect_truth: float32[n, 2] annotated valence and arousal, NaN where missing; None where there are none.
        affect: float32[n, 2] predicted valence and arousal; None for a model without that head.
        columns: what else is known of the samples, text[n] by name: subject, clip, source, part.
    """

    ids: NDArray[np.str_]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    affect_truth: NDArray[np.float32] | None = None
    affect: NDArray[np.float32] | None = None
    columns: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """int64[n] class ids."""
        return predicted_classes(self.probabilities)

    def to_bytes(self) -> bytes:
        arrays: dict[str, NDArray[Any]] = {
            "ids": self.ids,
            "truth": self.truth,
            "probabilities": self.probabilities,
        }
        if self.affect_truth is not None:
            arrays["affect_truth"] = self.affect_truth
        if self.affect is not None:
            arrays["affect"] = self.affect
        arrays |= {f"{_COLUMN}{name}": values for name, values in self.columns.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()


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
        return self.record_path.is_file()

    def load(self) -> Run:
        """``run.json``.

        Raises:
            UserError: it is missing, damaged, or written by a newer ferbench.
        """
        from ferbench.records.reading import read_run  # with pydantic, which a leaderboard does without

        try:
            content = self.record_path.read_bytes()
        except OSError as error:
            raise UserError(
                f"cannot read {self.record_path}: {error.strerror}", "check the results directory (--results)"
            ) from error
        return read_run(content, self.record_path)

    def save(self, record: Run) -> None:
        """Replace ``run.json``."""
        replace_json(self.record_path, {"schema": SCHEMA_VERSION, "kind": record.kind, **record.plain()})

    def epochs(self) -> list[Epoch]:
        """The epochs so far; a last line cut short by a crash is left out."""
        from ferbench.records.reading import read_epoch

        try:
            lines = (self.path / "history.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = itertools.takewhile(lambda epoch: epoch is not None, map(read_epoch, lines))
        return [epoch for epoch in found if epoch is not None]

    def load_evaluation(self, short_id: str) -> Evaluation | None:
        """``metrics.json`` of an evaluation, None when there is none, or one that is damaged."""
        from ferbench.records.reading import read_evaluation

        content = self._metrics(short_id)
        return None if content is None else read_evaluation(content)

    def save_evaluation(self, evaluation: Evaluation, predictions: Predictions) -> EvaluationEntry:
        """Write predictions first and metrics last, with `DIGESTS`: an evaluation with metrics is complete.

        Returns:
            The evaluation as the run's record has it.
        """
        self.write_evaluation(short(evaluation.evaluation_id), evaluation.plain(), predictions)
        return evaluation.entry()

    def read(self) -> dict[str, Any]:
        """``run.json``.

        Raises:
            UserError: it is missing, damaged, or written by a newer ferbench.
        """
        try:
            record = parts(self.record_path.read_text(encoding="utf-8"), self.record_path)
        except OSError as error:
            raise UserError(
                f"cannot read {self.record_path}: {error.strerror}", "check the results directory (--results)"
            ) from error
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{self.record_path} is damaged: it is no JSON", "remove that run directory and run again"
            ) from error
        try:
            record = upgraded(record if isinstance(record, dict) else {})
        except ValueError as error:
            raise UserError(
                f"{self.record_path} has schema version {error}, this ferbench reads {SCHEMA_VERSION}",
                "use the ferbench release that wrote it, or run again",
            ) from error
        if record["kind"] == "imported":
            record["imported"] = True
        wrong = misplaced(record, shape_of(record))
        if wrong is not None:
            raise UserError(f"{self.record_path} is damaged: {wrong}", REMEDY)
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace ``run.json``."""
        kind = "imported" if "imported" in record else "ensemble" if "ensemble" in record else "trained"
        replace_json(self.record_path, {**record, "schema": SCHEMA_VERSION, "kind": kind})

    def start_history(self) -> None:
        """Begin ``history.jsonl`` anew."""
        replace_file(self.path / "history.jsonl", b"")

    def keep_history(self, epochs: int, last: Mapping[str, Any] | None) -> None:
        """Cut the history back to its first ``epochs``, and add the last of them when it is not there."""
        kept = [record for record in self.history() if record["epoch"] <= epochs]
        if last is not None and (not kept or kept[-1]["epoch"] < last["epoch"]):
            kept.append(dict(last))
        lines = "".join(json.dumps(_finite(record), allow_nan=False) + "\n" for record in kept)
        replace_file(self.path / "history.jsonl", lines.encode())

    def append_history(self, epoch: Mapping[str, Any]) -> None:
        """Add one epoch."""
        with writing(self.path), (self.path / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(epoch), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def history(self) -> list[dict[str, Any]]:
        """The epochs so far; a last line cut short by a crash is left out."""
        try:
            lines = (self.path / "history.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        epochs = []
        for line in lines:
            try:
                epochs.append(json.loads(line))
            except ValueError:
                break
        return epochs

    def write_evaluation(self, short_id: str, metrics: Mapping[str, Any], predictions: Predictions) -> None:
        """Write predictions first and metrics last, with `DIGESTS`: an evaluation with metrics is complete."""
        directory = self.path / "evaluations" / short_id
        content = predictions.to_bytes()
        replace_file(directory / "predictions.npz", content)
        whole = {**_finite(metrics), "predictions_sha256": hashlib.sha256(content).hexdigest()}
        replace_json(directory / "metrics.json", {**whole, "own": own_digest(whole)})

    def evaluation(self, short_id: str) -> dict[str, Any] | None:
        """``metrics.json`` of an evaluation without its digests, None when there is none, or one that is damaged."""
        return self._metrics(short_id)

    def _metrics(self, short_id: str) -> dict[str, Any] | None:
        path = self.path / "evaluations" / short_id / "metrics.json"
        try:
            found = parts(path.read_text(encoding="utf-8"), path)
        except (OSError, ValueError, RecursionError):
            return None
        if misplaced(found, EVALUATION) is not None:
            return None
        own = found.pop("own", None)
        if own is not None and own != own_digest(found):
            return None
        for key in DIGESTS:
            found.pop(key, None)
        return found

    def predictions(self, short_id: str) -> Predictions:
        """Predictions of an evaluation.

        Raises:
            UserError: there are none, or the file is damaged.
        """
        path = self.path / "evaluations" / short_id / "predictions.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Predictions(
                    ids=texts(arrays["ids"]),
                    truth=arrays["truth"],
                    probabilities=arrays["probabilities"],
                    affect_truth=arrays.get("affect_truth"),
                    affect=arrays.get("affect"),
                    columns={
                        name.removeprefix(_COLUMN): arrays[name] for name in arrays.files if name.startswith(_COLUMN)
                    },
                )
        except FileNotFoundError as error:
            raise UserError(f"there are no predictions at {path}", "evaluate the run again") from error
        except Exception as error:  # archives and the headers in them fail in a dozen ways, MemoryError among them
            raise UserError(f"{path} is damaged: {error}", "remove that evaluation and run again") from error


def own_digest(about: Mapping[str, Any]) -> str:
    """SHA-256 over what a JSON file says, for those that hold their own as ``own``."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def texts(array: NDArray[Any]) -> NDArray[np.str_]:
    """The array, if it is text[n].

    Raises:
        ValueError: it is not, or has what is no character: numpy fails on that later, whenever it is looked at.
    """
    if array.dtype.kind != "U" or array.ndim != 1 or not array.dtype.isnative:
        raise ValueError("ids are no list of texts")
    if array.size and array.dtype.itemsize and np.ascontiguousarray(array).view(np.uint32).max() > sys.maxunicode:
        raise ValueError("ids hold what is no character")
    return array


def _finite(value: Any) -> Any:
    """Scores as JSON can hold them: a component of a loss may be NaN or infinite, which becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def run_path(results: Path, short_id: str) -> Path:
    """Where the run with that twelve-digit id lives."""
    return results / "runs" / short_id


def all_runs(results: Path) -> Iterator[RunDirectory]:
    """Every run directory with a record, by id."""
    try:
        with os.scandir(results / "runs") as entries:
            found = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return
    for name in found:
        run = RunDirectory(results / "runs" / name)
        if run.exists():
            yield run


def find_run(results: Path, name: str) -> RunDirectory:
    """The run that a user means by a path, a ``--name``, an id or a unique prefix of one.

    An id in full is an id; else what is a name and also the beginning of another run's id means neither.

    Raises:
        UserError: no run or several runs answer to ``name``.
    """
    here = _lying_at(name)
    if here is not None and (Path(name).name != name or name == os.pardir):  # no bare word
        return here
    digits = names.digits_of(name)
    exact = RunDirectory(run_path(results, digits))
    if len(digits) == names.WHOLE and exact.exists() and (here is None or here.path == exact.path.resolve()):
        _refuse_another_id(exact, name.removeprefix("v1:"))
        return exact
    runs, found = which_runs(results, name)
    several = [runs[one] for one in found.all]
    if here is not None and all(run.path.resolve() != here.path for run in several):
        several.append(here)
    if len(several) == 1:
        return several[0]
    if several:
        raise names.several(name, found, [in_words(run) for run in several])
    raise UserError(
        f"there is no run '{name}' in {results}",
        "see the runs with 'ferbench runs list', or give the results directory with --results",
    )


def _refuse_another_id(run: RunDirectory, digits: str) -> None:
    """Refuse more digits than a directory's name has where the run's record has others there."""
    if len(digits) == names.WHOLE:
        return
    recorded = run.read().get("identity", {}).get("training_id")
    if recorded is not None and not recorded.startswith(f"v1:{digits}"):
        raise UserError(
            f"there is no run of the id {digits}; that of run {run.path.name} begins with the same digits",
            f"check the id, or say {run.path.name}",
        )


def which_runs(results: Path, name: str) -> tuple[dict[str, RunDirectory], names.Meant]:
    """Every run by name of its directory, and which of them a name or the beginning of an id may mean."""
    runs = {run.path.name: run for run in all_runs(results)}
    known = _names(results)
    called = {one: known[one] if one in known else _name(run) for one, run in runs.items()}
    return runs, names.meant(name, called)


def in_words(run: RunDirectory) -> str:
    """A run by id, name, model, dataset, seed and date."""
    try:
        return names.run_words(run.path.name, run.read())
    except UserError:
        return names.run_words(run.path.name, None)


def _lying_at(path: str) -> RunDirectory | None:
    """The run whose directory or record a path leads to: where it really lies, so that all its writers meet at one
    lock, whatever path they were given."""
    given = Path(path)
    for directory in (given, given.parent) if given.name == "run.json" else (given,):
        if path and is_file(directory / "run.json"):
            return RunDirectory(directory.resolve())
    return None


def _names(results: Path) -> dict[str, str | None]:
    """The name of every run whose record the index can tell of: reading thousands of records takes seconds."""
    from ferbench.runs.index import summaries

    return {one.run: one.name for one in summaries(results) if one.status != "damaged"}


def _name(run: RunDirectory) -> str | None:
    """The name that the record has; None when the record cannot be read, which is another run's trouble."""
    try:
        return run.read().get("name")
    except UserError:
        return None
