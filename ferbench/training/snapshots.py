"""Everything that a training needs to go on as if it had never stopped.

checkpoints/
    step-00001200.safetensors   tensors: model, averages, loss, optimiser, scaler, sampler, corrected labels, sums of
                                the epoch, random state
    step-00001200.json          the rest, and the SHA-256 of the tensors; written last: without it nothing counts
    step-00001250-end.…         the same at the end of an epoch
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ferbench.bounded import Damaged, read_file
from ferbench.data.corrections import Corrections
from ferbench.errors import UserError
from ferbench.runs.saved import snapshot_names
from ferbench.runs.sealed import seal, unseal
from ferbench.storage import json_bytes, remove_file, replace_json, sync_directory, writing
from ferbench.training.checkpoints import read_tensors, write_tensors
from ferbench.training.loop import Training
from ferbench.training.loss_state import put_state, state_of
from ferbench.training.position import Position
from ferbench.training.snapshot_check import COUNTED, fault
from ferbench.training.step import start_epoch
from ferbench.training.storable import NotStorable, pack, unpack

Keep = Literal["last2+best", "epochs", "all"]

_VERSION = 1

#: What ``state_dict()`` gives: plain values, arrays and tensors.
_State = dict[str, Any]


class RandomState(TypedDict):
    """Where the global random generators are: of Python, numpy, torch on the CPU, and the training's GPU."""

    python: tuple[Any, ...]
    numpy: tuple[Any, ...]
    torch: Tensor
    cuda: Tensor | None


@dataclass(frozen=True)
class Snapshot:
    """The state of a training at one moment; tensors are on the CPU when it was read.

    Attributes:
        model: weights and buffers.
        average: of the weights, likewise; None where none is kept.
        loss: see `state_of`.
        optimizer: of the optimiser.
        scaler: of the gradients' scaler; None without one.
        schedule: of the schedule; None for one without state.
        sampler: of the sampler.
        best: the best epoch so far and its value of the metric.
        stopping: value and epochs waited of early stopping; None without it.
        position: where the training is.
        random: the random generators.
        teacher: weights and buffers of the average that teaches; None where none does.
        corrections: of labels, see `ferbench.data.corrections`; None where there are none, as in older ones.
    """

    model: dict[str, Tensor]
    average: dict[str, Tensor] | None
    loss: Any
    optimizer: _State
    scaler: _State | None
    schedule: _State | None
    sampler: _State
    best: tuple[int, float]
    stopping: tuple[float, int] | None
    position: Position
    random: RandomState
    corrections: _State | None = None
    teacher: dict[str, Tensor] | None = None

    @classmethod
    def of(cls, training: Training, at: Position) -> Snapshot:
        """Of a training as it is, at ``at``."""
        describe = getattr(training.schedule, "state_dict", None)
        scaler, stopping = training.precision.scaler, training.stopping
        return cls(
            model=training.model.state_dict(),
            average=None if training.average is None else training.average.module.state_dict(),
            loss=state_of(training.loss) if training.learnt is None else training.learnt,
            optimizer=training.optimizer.state_dict(),
            scaler=None if scaler is None else scaler.state_dict(),
            schedule=None if describe is None else describe(),
            sampler=training.sampler.state_dict(),
            best=(training.best.epoch, training.best.value),
            stopping=None if stopping is None else (stopping.value, stopping.waited),
            position=at,
            random=random_state(training.train.device),
            corrections=None if training.train.corrections is None else training.train.corrections.state_dict(),
            teacher=None if training.teacher is None else training.teacher.learnt(),
        )

    @classmethod
    def from_state(cls, state: _State) -> Snapshot:
        """What `to_state` was called on."""
        return cls(**{**state, "position": Position.from_state(state["position"])})

    def to_state(self) -> _State:
        """Plain values, arrays and tensors."""
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**state, "position": self.position.to_state()}

    @property
    def name(self) -> str:
        """What its files are called."""
        return snapshot_name(self.position.step, self.position.batches)

    @property
    def epoch(self) -> int:
        """Whose weights it has: the one that had ended, or is going on."""
        return self.position.epoch - (0 if self.position.batches else 1)

    def restore(self, training: Training) -> None:
        """Put it into a training that was built as the saved one was; all but the random generators."""
        training.model.load_state_dict(self.model)
        if training.average is not None:
            assert self.average is not None
            training.average.module.load_state_dict(self.average)
        if training.teacher is not None and training.teacher.average is not None:
            assert self.teacher is not None
            training.teacher.model.load_state_dict(self.teacher)
        if self.position.batches:
            start_epoch(training.loss, self.position.epoch, training.epochs)
        put_state(training.loss, self.loss, training.train.device)
        training.optimizer.load_state_dict(self.optimizer)
        _lay_out(training.optimizer)
        if training.precision.scaler is not None:
            assert self.scaler is not None
            training.precision.scaler.load_state_dict(self.scaler)
        load = getattr(training.schedule, "load_state_dict", None)
        if load is not None:
            load(self.schedule)
        training.sampler.load_state_dict(self.sampler)
        training.best.epoch, training.best.value = self.best
        if training.stopping is not None:
            assert self.stopping is not None
            training.stopping.value, training.stopping.waited = self.stopping
        training.train.corrections = None
        if self.corrections is not None:
            training.train.corrections = Corrections(training.train.truth.labels)
            training.train.corrections.load_state_dict(self.corrections)
        device = training.train.device
        state = self.position.to_state()
        state = tree_map(lambda part: part.to(device, copy=True) if isinstance(part, Tensor) else part, state)
        training.at = Position.from_state(state)


class Snapshots:
    """The snapshots of one run.

    Args:
        directory: ``checkpoints/`` of the run.
        training_id: of the run; snapshots of another one are not looked at.
        keep: which of them stay: ``last2+best`` the last two (the best weights are kept beside them), ``epochs`` also
            the one at the end of every epoch, ``all`` every one.
    """

    def __init__(self, directory: Path, training_id: str, keep: Keep = "last2+best") -> None:
        self._directory = directory
        self._training_id = training_id
        self._keep = keep

    def save(self, training: Training, at: Position, files: Mapping[str, str] = {}) -> str:
        """Write a snapshot, read it back, and only then remove what is no longer to be kept; its name.

        Args:
            training: whose state it is.
            at: where that is.
            files: SHA-256 of the run's files as they are then, see `ferbench.runs.covered.vouched`.

        Raises:
            UserError: the disk is full or cannot be written (older snapshots are as they were), or a plugin's state
                holds something that cannot be stored.
        """
        tensors: dict[str, Tensor] = {}
        snapshot = Snapshot.of(training, at)
        try:
            state = {key: pack(value, tensors, key) for key, value in snapshot.to_state().items()}
        except NotStorable as error:
            part = str(error).split(".")[0].split()[0]
            raise UserError(
                f"the state of the {part} cannot be stored: {error}",
                "let its state_dict() give numbers, texts, lists, dictionaries, arrays and tensors",
            ) from error
        name = snapshot.name
        content = safetensors.torch.save(tensors)
        sha256 = write_tensors(self._directory / f"{name}.safetensors", content)
        about = {"version": _VERSION, "training_id": self._training_id, "step": at.step, "epoch": at.epoch}
        about |= {"batches": at.batches, "files": dict(files), "sha256": sha256, "state": state}
        # The tensors' digest does not cover this file; its own stands in it.
        sealed = seal(about)
        replace_json(self._directory / f"{name}.json", sealed)
        if not self._holds(name, content, json_bytes(sealed)):
            raise UserError(
                f"the checkpoint {self._directory / name}.safetensors cannot be read back as it was written",
                "check the disk; older checkpoints are still there",
            )
        self._prune(name)
        return name

    def _holds(self, name: str, tensors: bytes, about: bytes) -> bool:
        """Whether the files of a snapshot are these bytes."""
        try:
            return about == read_file(self._directory / f"{name}.json") and tensors == read_file(
                self._directory / f"{name}.safetensors", largest=len(tensors)
            )
        except (OSError, Damaged):
            return False

    def newest(
        self, warn: Callable[[str], None], misfit: Callable[[Snapshot], str] = lambda snapshot: ""
    ) -> Snapshot | None:
        """The newest one that is whole; each other one is named to ``warn``.

        Args:
            warn: called with a line.
            misfit: says why a training cannot go on from one; empty where it can.
        """
        for name in reversed(self.names()):
            snapshot = self.read(name)
            why = "of another run" if snapshot is None else misfit(snapshot)
            if snapshot is not None and not why:
                return snapshot
            why = f"is damaged or {why}" if snapshot is None else f"is damaged: {why}"
            warn(f"checkpoint {self._directory / name}.json {why}; the one before it is tried")
        return None

    def names(self) -> list[str]:
        """Of the snapshots that there are, whole or not, by step; the end of an epoch after its last batch."""
        return snapshot_names(self._directory)

    def clear(self) -> None:
        """Remove all of them, as a run that begins anew does."""
        for name in self.names():
            self._remove(name)

    def position(self, name: str) -> tuple[int, int, int] | None:
        """(step, epoch, batches) of a snapshot as its JSON says, without a look at the rest; None: it is damaged."""
        try:
            about = unseal(read_file(self._directory / f"{name}.json"))
        except (OSError, ValueError):
            return None
        match about:
            case {"step": int(step), "epoch": int(epoch), "batches": int(batches)} if (
                min(step, epoch - 1, batches) >= 0
            ):
                return step, epoch, batches
        return None

    def read(self, name: str) -> Snapshot | None:
        """A snapshot; None when it is damaged or of another training."""
        try:
            about = unseal(read_file(self._directory / f"{name}.json"))
            tensors = read_tensors(self._directory / f"{name}.safetensors", about["sha256"])
            if (about["version"], about["training_id"]) != (_VERSION, self._training_id):
                return None
            snapshot = Snapshot.from_state({key: unpack(value, tensors) for key, value in about["state"].items()})
            stated = {key: getattr(snapshot.position, key) for key in COUNTED}
            whole = not fault(snapshot) and snapshot.name == name and stated == {key: about[key] for key in COUNTED}
            return snapshot if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _prune(self, newest: str) -> None:
        if self._keep == "all":
            return
        names = self.names()
        place = names.index(newest)
        kept = {newest, *names[max(0, place - 1) : place]}
        for name in names:
            # Later ones are of the time before the run was resumed from an older one.
            if name not in kept and not (self._keep == "epochs" and name.endswith("-end") and name < newest):
                self._remove(name)
        with writing(self._directory):
            sync_directory(self._directory)

    def _remove(self, name: str) -> None:
        for suffix in (".json", ".safetensors"):  # what makes it count goes first
            remove_file(self._directory / f"{name}{suffix}")


def snapshot_name(step: int, batches: int) -> str:
    """What a snapshot after so many updates is called, ``batches`` of its epoch done; 0: at the end of an epoch."""
    return f"step-{step:08d}" + ("" if batches else "-end")


def random_state(device: torch.device) -> RandomState:
    """Of this moment."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, keys, position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def restore_random(state: RandomState, device: torch.device) -> None:
    """Put the global random generators where they were."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Give an optimiser's tensors the memory layout of their parameters, as they had before they were stored."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
