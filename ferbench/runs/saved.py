"""What lies in ``checkpoints/`` of a run, and whether it is what was written; without torch."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.bounded import from_json, read_file, sha256_of
from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.runs.sealed import is_sealed, unseal

if TYPE_CHECKING:
    from ferbench.records.run import Run

BEST = "best"
SNAPSHOT = re.compile(r"(step-\d{8,}(?:-end)?)\.json")


@dataclass(frozen=True, slots=True)
class Saved:
    """One checkpoint.

    Attributes:
        name: of its files without suffix: ``best``, ``step-00001200``, ``step-00001250-end``.
        epoch: whose weights they are: the epoch that was chosen, the one that was going on, or the one that had ended.
        step: updates so far; None for ``best``.
        batches: of the epoch so far; 0 at its end.
        bytes: of both files.
        fault: what is wrong with it; empty when it is whole.
    """

    name: str
    epoch: int | None
    step: int | None
    batches: int
    bytes: int
    fault: str

    @property
    def is_best(self) -> bool:
        return self.name == BEST

    @property
    def point(self) -> str:
        """What ``ferbench run --from RUN@POINT`` calls it; empty for one that is not whole."""
        if self.fault or self.epoch is None:
            return ""
        return BEST if self.is_best else f"step{self.step}" if self.batches else str(self.epoch)

    def __str__(self) -> str:
        """Where in the training it stands."""
        if self.epoch is None:
            return self.name
        if self.is_best:
            return f"best, epoch {self.epoch}"
        return f"epoch {self.epoch}, batch {self.batches:,}" if self.batches else f"end of epoch {self.epoch}"


def loss_file(name: str) -> str:
    """Where the tensors of a loss's state are, beside the weights that are called ``name``."""
    return f"{name}-loss.safetensors"


def is_whole(directory: Path, name: str) -> bool:
    """Whether a checkpoint is there and its bytes are those that were written."""
    try:
        about = read_about(directory, name)
        return all(
            sha256_of(directory / file, tensors=True) == sha256 for file, sha256 in tensor_files(name, about).items()
        )
    except (OSError, ValueError):
        return False


def tensor_files(name: str, about: dict[str, Any]) -> dict[str, Any]:
    """The files of tensors that belong to a checkpoint, and the SHA-256 that its JSON says of each."""
    files = {f"{name}.safetensors": about.get("sha256")}
    kept = about.get("loss")
    if isinstance(kept, dict) and "sha256" in kept:
        files[loss_file(name)] = kept["sha256"]
    return files


def read_about(directory: Path, name: str) -> dict[str, Any]:
    """What the JSON of a checkpoint says: epoch, metric, SHA-256.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    return unseal(read_file(directory / f"{name}.json"), older="sha256")


def is_trained(directory: RunDirectory) -> bool:
    """Whether a run is done and the weights that it kept are what was written."""
    return directory.exists() and directory.load().status == "done" and is_whole(directory.checkpoints, BEST)


def snapshot_names(checkpoints: Path) -> list[str]:
    """Of the snapshots that there are, whole or not, by step; the end of an epoch after its last batch."""
    try:
        matches = [SNAPSHOT.fullmatch(entry.name) for entry in checkpoints.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((match[1] for match in matches if match), key=lambda name: (len(name.removesuffix("-end")), name))


def saved(directory: RunDirectory, training_id: str) -> list[Saved]:
    """Every checkpoint of a run: ``best`` where there is one, then snapshots by step.

    Args:
        directory: of the run.
        training_id: that its snapshots must name.
    """
    folder = directory.checkpoints
    names = [BEST] if any(os.path.lexists(folder / f"{BEST}{suffix}") for suffix in (".json", ".safetensors")) else []
    return [_look(folder, name, training_id) for name in (*names, *snapshot_names(folder))]


def _look(folder: Path, name: str, training_id: str) -> Saved:
    weights, description = folder / f"{name}.safetensors", folder / f"{name}.json"
    size = sum(file.stat().st_size for file in (weights, description, folder / loss_file(name)) if file.is_file())
    try:
        content = read_file(description)
        about = from_json(content)
        about = about if isinstance(about, dict) else {}
    except OSError as error:
        return Saved(name, None, None, 0, size, f"{description.name}: {error.strerror}")
    except ValueError as error:
        return Saved(name, None, None, 0, size, f"{description.name} is damaged: {error}")
    epoch, step, batches = (_number(about.get(key)) for key in ("epoch", "step", "batches"))
    fault = ""
    if not is_sealed(content, older="sha256" if name == BEST else None):
        fault = f"{description.name} is not what was written"
    elif name != BEST and about.get("training_id") != training_id:
        fault = f"{description.name} is of another training"
    else:
        for file, sha256 in tensor_files(name, about).items():
            try:
                if sha256_of(folder / file, tensors=True) != sha256:
                    fault = fault or f"{file} is not what was written: its SHA-256 is another"
            except OSError as error:
                fault = fault or f"{file}: {error.strerror}"
            except ValueError as error:
                fault = fault or f"{file} is not what was written: {error}"
    if name.endswith("-end") and epoch is not None:
        epoch -= 1  # it says which epoch comes next
    return Saved(name, epoch, step, batches or 0, size, fault)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def refuse_without_weights(directory: RunDirectory, record: Run) -> None:
    """For a run whose model cannot be used, whatever it is to be used for.

    Raises:
        UserError: it is an ensemble, was imported or is not done.
    """
    refuse_untrained(directory, record)
    if record.status != "done":
        raise UserError(
            f"run {directory.path.name} has no model to use: its status is '{record.status}'",
            "finish it with the same 'ferbench run' command",
        )


def refuse_untrained(directory: RunDirectory, record: Run) -> None:
    """For a run that has no weights, done or not.

    Raises:
        UserError: it is an ensemble, all folds together, or was imported.
    """
    if record.pooled is not None:
        folds = [fold.run for fold in record.pooled.folds]
        raise UserError(
            f"run {directory.path.name} is the tests of {len(folds)} folds together: it has no weights of its own",
            f"use one of its folds, such as {folds[0]}; or train on everything without test folds",
        )
    if record.kind == "ensemble":
        members = [] if record.ensemble is None else [member.run for member in record.ensemble.members]
        raise UserError(
            f"run {directory.path.name} is an ensemble: it has no weights of its own",
            f"use its members: {', '.join(members)}",
        )
    if record.kind == "imported":
        raise UserError(
            f"run {directory.path.name} was imported: ferbench has its predictions, not its model",
            "name a run that ferbench trained; or predict with the software that made it, and import that",
        )
