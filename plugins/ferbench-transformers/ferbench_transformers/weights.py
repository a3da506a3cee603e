"""Weights that an earlier run kept, in place of the checkpoint's."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from ferbench import UserError


def load_weights(model: nn.Module, weights: str) -> None:
    """Put a run's ``checkpoints/best.safetensors`` into a model that was built from the same checkpoint.

    Args:
        model: every weight of it is replaced.
        weights: the path of the file.

    Raises:
        UserError: the file cannot be read, or is of another architecture or number of classes.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"model.weights: there is no file {weights}",
            "give checkpoints/best.safetensors of a run with this model: --set model.weights=FILE",
        )
    try:
        state = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{weights} is no readable safetensors file: {error}", "name the file of a run") from error
    own = model.state_dict()
    odd = sorted(own.keys() ^ state.keys()) or [key for key in own if own[key].shape != state[key].shape]
    if odd:
        raise UserError(
            f"{weights} does not fit the model: the first of {len(odd)} weights that differ is {odd[0]}",
            "give weights of a run with the same model.checkpoint and data.classes",
        )
    model.load_state_dict(state)
