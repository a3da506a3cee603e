"""The number format that a model computes in while it learns."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from ferbench.data.targets import Outputs
from ferbench.errors import UserError

_LOWER = {"bf16": torch.bfloat16, "fp16": torch.float16}

#: What CPUs that compute in bfloat16 have of it; AVX-512 alone only converts.
_BF16_UNITS = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16", "sve_bf16")


class Precision:
    """Mixed precision of the training steps; weights, losses, updates and every evaluation stay in float32.

    Micikevicius et al., "Mixed precision training" (ICLR 2018), as torch's autocast does it.

    Args:
        name: ``float32``, ``bf16`` or ``fp16``, as ``training.precision`` has it.
        device: where the model is.

    Attributes:
        scaler: scales the loss so that gradients do not vanish in float16; None where that is not needed.

    Raises:
        UserError: the device cannot train in that precision.
    """

    def __init__(self, name: str = "float32", device: torch.device | None = None) -> None:
        device = device or torch.device("cpu")
        self._device_type = device.type
        self._lower = _LOWER.get(name)
        self.scaler: torch.amp.GradScaler | None = None
        if name == "fp16":
            if device.type != "cuda":
                raise UserError(
                    f"training.precision = 'fp16' needs a CUDA device, not '{device.type}'",
                    "use --set training.precision=bf16 or float32",
                )
            self.scaler = torch.amp.GradScaler("cuda")
        elif name == "bf16":
            able = device.type == "cpu" or (device.type == "cuda" and torch.cuda.is_bf16_supported())
            if not able:
                raise UserError(
                    f"training.precision = 'bf16' does not work on this device ('{device.type}')",
                    "use --set training.precision=float32" + (" or fp16" if device.type == "cuda" else ""),
                )

    def autocast(self) -> AbstractContextManager[object]:
        """Around a forward pass that is trained."""
        if self._lower is None:
            return contextlib.nullcontext()
        return torch.autocast(self._device_type, dtype=self._lower)

    def full(self, outputs: Outputs) -> Outputs:
        """Outputs in float32 for the loss; as they are where nothing was lowered."""
        if self._lower is None:
            return outputs
        return outputs.each(Tensor.float)


def computes_bf16() -> bool:
    """Whether this machine's CPU has units for bfloat16; also where this torch cannot say."""
    known = getattr(torch.cpu, "get_capabilities", None)
    return known is None or any(known().get(unit) for unit in _BF16_UNITS)
