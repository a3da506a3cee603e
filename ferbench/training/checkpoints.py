"""Weights on disk: safetensors beside a JSON that says what they are and holds their SHA-256."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from ferbench.bounded import Damaged, opened, refuse_cut_tensors
from ferbench.errors import UserError
from ferbench.records.run import Training
from ferbench.runs.saved import loss_file, read_about
from ferbench.runs.sealed import seal
from ferbench.storage import json_bytes, replace_file
from ferbench.training.storable import pack, unpack


@dataclass(frozen=True, slots=True)
class WeightsFacts:
    """What the JSON beside weights says of them.

    Attributes:
        epoch: that they are of; 0: as they were built.
        select: metric of validation that chose it.
        value: its value there; None where it is not a number.
        sha256: of the file of the weights.
    """

    epoch: int
    select: str | None
    value: float | None
    sha256: str


def read_facts(directory: Path, name: str) -> WeightsFacts:
    """What the JSON beside the weights ``name`` says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    about = read_about(directory, name)
    match about.get("epoch", 0), about.get("select"), about.get("value"), about.get("sha256"):
        case int(epoch), None | str() as select, None | int() | float() as value, str(sha256) if epoch >= 0:
            if math.isfinite(value or 0.0):
                return WeightsFacts(epoch, select, value, sha256)
    raise ValueError("it does not say whose weights they are")


def save_weights(directory: Path, name: str, model: nn.Module, about: Mapping[str, Any], loss: Any = None) -> str:
    """Write ``name.safetensors``, then ``name.json``: weights without their JSON do not count.

    Args:
        directory: of the checkpoints.
        name: without suffix.
        model: its whole state, running statistics included, is saved.
        about: facts to keep beside the weights (epoch, metric).
        loss: state of the loss, kept in the JSON; its tensors in ``name-loss.safetensors``.

    Returns:
        SHA-256 of the JSON, which holds those of the tensors.
    """
    facts = dict(about)
    if loss:
        tensors: dict[str, Tensor] = {}
        facts["loss"] = {"state": pack(loss, tensors, "loss")}
        if tensors:
            content = safetensors.torch.save(tensors)
            facts["loss"]["sha256"] = write_tensors(directory / loss_file(name), content)
    sha256 = write_tensors(directory / f"{name}.safetensors", to_bytes(model.state_dict()))
    content = json_bytes(seal({**facts, "sha256": sha256}))
    replace_file(directory / f"{name}.json", content)
    return hashlib.sha256(content).hexdigest()


def write_tensors(path: Path, content: bytes) -> str:
    """Write a file of safetensors; its SHA-256."""
    replace_file(path, content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """Tensors of a file, on the CPU.

    Raises:
        OSError: it cannot be read.
        ValueError: its SHA-256 is another one, or it is no such file.
    """
    with opened(path) as file:
        refuse_cut_tensors(file)
        content = file.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Damaged("its SHA-256 is not the recorded one")
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # SafetensorError is no ValueError, and unknown types are a KeyError
        raise Damaged(f"it is no file of tensors: {error}") from error


def read_loss(directory: Path, name: str) -> Any:
    """The state of the loss that was saved with the weights ``name``; None: there is none.

    Raises:
        UserError: it is damaged.
    """
    try:
        match read_about(directory, name).get("loss"):
            case None:
                return None
            case {"state": state, "sha256": str(sha256)}:
                return unpack(state, read_tensors(directory / loss_file(name), sha256))
            case {"state": state}:
                return unpack(state, {})
            case _:
                raise Damaged(f"{name}.json does not say what it is")
    except (OSError, ValueError) as error:
        raise UserError(
            f"the state of the loss in {directory / loss_file(name)} is damaged: {error}",
            "give the same 'ferbench run' command again: it trains the run anew",
        ) from error


def to_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Weights as the bytes of a file of safetensors: the same bytes for the same weights, wherever they were."""
    plain = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    return safetensors.torch.save(_untied(plain))


def _untied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share memory (tied weights) as copies, since safetensors refuses shared storage."""
    seen: set[int] = set()
    untied = {}
    for key, value in state.items():
        shared = value.untyped_storage().data_ptr() in seen and value.numel() > 0
        seen.add(value.untyped_storage().data_ptr())
        untied[key] = value.clone() if shared else value
    return untied


def read_weights(
    directory: Path, name: str, recorded: Training | None = None
) -> tuple[WeightsFacts, dict[str, Tensor]]:
    """What the JSON of ``name`` says, and the weights on the CPU.

    Args:
        directory: of the checkpoints.
        name: without suffix.
        recorded: of the run, which says whose weights they must be once it is done; None: nothing does.

    Raises:
        UserError: the checkpoint is missing or damaged.
    """
    path = directory / f"{name}.safetensors"
    try:
        facts = read_facts(directory, name)
        if recorded is not None and recorded.weights_sha256 not in (None, facts.sha256):
            raise Damaged("it holds other weights than those that run.json says the run was tested with")
        return facts, read_tensors(path, facts.sha256)
    except (OSError, ValueError) as error:
        damaged = isinstance(error, ValueError)
        raise UserError(
            f"checkpoint {path} is damaged: {error}" if damaged else f"there is no readable checkpoint at {path}",
            "give the same 'ferbench run' command again: it trains the run anew",
        ) from error


def load_weights(
    directory: Path, name: str, model: nn.Module, device: torch.device, recorded: Training | None = None
) -> WeightsFacts:
    """Load ``name``, as `read_weights` reads it, into a model; what the JSON says of it comes back.

    Raises:
        UserError: the checkpoint is missing or damaged, or does not fit the model.
    """
    path = directory / f"{name}.safetensors"
    facts, state = read_weights(directory, name, recorded)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"checkpoint {path} does not fit the model: {str(error).splitlines()[0]}",
            "use the plugin version that the run was trained with (ferbench plugins list)",
        ) from error
    model.to(device)
    return facts
