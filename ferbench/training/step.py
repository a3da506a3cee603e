"""One optimiser step, in as many pieces as memory asks for."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ferbench.data.targets import LossValue, Outputs, Targets

Loss = Callable[[Outputs, Targets], LossValue | Tensor]


def forward(model: nn.Module, images: Tensor) -> Outputs:
    """Call a model; a bare tensor is taken as logits."""
    outputs = model(images)
    return outputs if isinstance(outputs, Outputs) else Outputs(logits=outputs)


def evaluate_loss(loss: Loss, outputs: Outputs, targets: Targets) -> LossValue:
    """Call a loss; a bare scalar is taken as the total."""
    value = loss(outputs, targets)
    return value if isinstance(value, LossValue) else LossValue(total=value)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out: CUDA's, the CPU allocator's or Python's."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step leaves behind, detached and on the device.

    Attributes:
        loss: mean loss of the batch.
        components: mean components of the loss by name.
        predicted: int64[N], the class with the highest logit, before the update.
    """

    loss: Tensor
    components: dict[str, Tensor]
    predicted: Tensor


class Stepper:
    """Forward, backward and update of one batch.

    When memory runs out, the micro-batch is halved and the step done again from the same state (running statistics
    and random generators included), with gradients accumulated over the pieces: the update is still that of the
    mean loss over the whole batch. Batch normalisation sees the pieces, which is why the size is recorded.

    Attributes:
        micro_batch: samples that go through the model at once; None while whole batches fit.
    """

    def __init__(self, model: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._model = model
        self._loss = loss
        self._optimizer = optimizer
        self._device = device
        self.micro_batch: int | None = None

    def step(self, images: Tensor, targets: Targets) -> StepResult:
        """Learn from a batch.

        Raises:
            RuntimeError: memory runs out even for a single sample; or whatever model and loss raise.
        """
        state = self._remember()
        while True:
            size = min(self.micro_batch or len(images), len(images))
            try:
                return self._attempt(images, targets, size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or size <= 1:
                    raise
            # Outside the handler: the traceback, which holds the activations, is gone here.
            self.micro_batch = (size + 1) // 2
            self._restore(state)

    def _attempt(self, images: Tensor, targets: Targets, size: int) -> StepResult:
        self._optimizer.zero_grad(set_to_none=True)
        total: Tensor | None = None
        components: dict[str, Tensor] = {}
        predicted = []
        for start in range(0, len(images), size):
            stop = min(start + size, len(images))
            share = (stop - start) / len(images)
            outputs = forward(self._model, images[start:stop])
            value = evaluate_loss(self._loss, outputs, targets if share == 1 else targets.slice(start, stop))
            weighted = value.total if share == 1 else value.total * share
            weighted.backward()
            total = weighted.detach() if total is None else total + weighted.detach()
            for name, component in value.components.items():
                components[name] = components.get(name, 0) + component.detach() * share
            predicted.append(outputs.logits.detach().argmax(dim=1))
        self._optimizer.step()
        assert total is not None
        return StepResult(total, components, predicted[0] if len(predicted) == 1 else torch.cat(predicted))

    def _remember(self) -> tuple[list[Tensor], Tensor, Tensor | None]:
        buffers = [buffer.detach().clone() for buffer in self._model.buffers()]
        cuda = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None
        return buffers, torch.get_rng_state(), cuda

    def _restore(self, state: tuple[list[Tensor], Tensor, Tensor | None]) -> None:
        buffers, rng, cuda = state
        self._optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if cuda is not None:
            torch.cuda.empty_cache()
            torch.cuda.set_rng_state(cuda, self._device)
        torch.set_rng_state(rng)
        with torch.no_grad():
            for buffer, remembered in zip(self._model.buffers(), buffers, strict=True):
                buffer.copy_(remembered)
