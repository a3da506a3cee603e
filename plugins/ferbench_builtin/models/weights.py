"""Initial weights from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ferbench import UserError, warn_on_stderr
from ferbench_builtin.models.backbone import Freezable
from ferbench_builtin.models.options import Freeze

_PICKLED = (".pth", ".pt", ".bin", ".ckpt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # where training programs put the weights in their checkpoint
_PREFIXES = ("module.", "_orig_mod.")  # what DistributedDataParallel and torch.compile put before every name
_NAMED_KEYS = 3

_Model = TypeVar("_Model", bound=Freezable)


def started(model: _Model, weights: str, *, allow_pickled: bool, freeze: Freeze) -> _Model:
    """The model with the weights that its options ask for, its backbone frozen if they ask for that.

    Args:
        model: freshly built.
        weights: "none" or the path of a file.
        allow_pickled: whether the file may be a pickle.
        freeze: what is not trained.

    Raises:
        UserError: the file cannot be read or does not fit.
    """
    if weights != "none":
        load_state(model, read_state(weights, allow_pickled=allow_pickled), weights)
    if freeze == "backbone":
        model.freeze_backbone()
    return model


def read_state(weights: str, *, allow_pickled: bool) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a pickled one where that is allowed.

    Raises:
        UserError: there is no such file, it is of another kind or damaged, or it is a pickle without permission.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"model.weights: there is no file {weights}", "give the path of a .safetensors file, or leave it at none"
        )
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise UserError(f"{weights} is no readable safetensors file: {error}", "fetch it again") from error
    if path.suffix not in _PICKLED:
        raise UserError(f"model.weights: {weights} is no file of weights", "give a .safetensors or .pth file")
    if not allow_pickled:
        raise UserError(
            f"{weights} is a pickle, a format that can hold programs",
            "use a .safetensors file, or trust its source and say --set model.allow_pickled_weights=true",
        )
    warn_on_stderr(f"reading pickled weights {weights}, limited to tensors (weights_only)")
    try:
        return _tensors(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged pickle fails in any way
        reason = str(error).partition("\n")[0][:200]
        raise UserError(
            f"{weights} holds more than tensors or is damaged: {reason}", "convert it to .safetensors"
        ) from error


def _tensors(content: Any) -> dict[str, Tensor]:
    """The state dict in what a training program saved."""
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError("no tensors by name")
    state = dict(content)
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def load_state(model: Freezable, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights whose names are the model's own, such as those of a run's checkpoint.

    Layers that depend on the task may differ: a classifier of another class count is left out, and so is a head for
    valence and arousal that the model has not; what the model has and the file has not, stays as it is. A warning says
    which. Everything else must be there and fit.

    Raises:
        UserError: naming the first weights that are missing, superfluous or of another shape.
    """
    own = model.state_dict()
    task_layers = (f"{model.classifier}.", f"{model.affect_layer}.")
    fitting = {key: value for key, value in state.items() if key in own and value.shape == own[key].shape}
    odd = [key for key in state if key not in fitting]
    missing = [key for key in own if key not in state]
    excused = [key for key in (*odd, *missing) if key.startswith(task_layers)]
    wrong = [
        f"{key} is of shape {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in odd
        if key in own and key not in excused
    ]
    superfluous = [key for key in odd if key not in own and key not in excused]
    lacking = [key for key in missing if key not in excused]
    complaints = [
        *([f"it lacks {_some(lacking)}"] if lacking else []),
        *([f"it has {_some(superfluous)} besides"] if superfluous else []),
        *wrong[:1],
    ]
    if complaints:
        raise UserError(
            f"{source} does not fit the model: {'; '.join(complaints)}",
            "give weights of this architecture with the same options (image size, channels, widths)",
        )
    left = tuple(layer for layer in task_layers if any(key.startswith(layer) for key in excused))
    for layer in left:
        warn_on_stderr(
            f"{layer[:-1]} of {source} is left out or missing: "
            f"the file has {_shape_of(state, layer)} for it, the model {_shape_of(own, layer)}"
        )
    model.load_state_dict({key: value for key, value in fitting.items() if not key.startswith(left)}, strict=False)


def _shape_of(state: Mapping[str, Tensor], layer: str) -> str:
    rows = [len(value) for key, value in state.items() if key.startswith(layer) and value.ndim]
    return f"{rows[0]} outputs" if rows else "nothing"


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _NAMED_KEYS} more" if len(keys) > _NAMED_KEYS else ""
    return ", ".join(keys[:_NAMED_KEYS]) + more
