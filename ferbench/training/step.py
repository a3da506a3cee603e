"""One optimiser step, in as many pieces as memory asks for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.training.precision import Precision

Loss = Callable[[Outputs, Targets], LossValue | Tensor]


def forward(model: nn.Module, images: Tensor) -> Outputs:
    """Call a model; a bare tensor is taken as logits."""
    outputs = model(images)
    return outputs if isinstance(outputs, Outputs) else Outputs(logits=outputs)


def evaluate_loss(loss: Loss, outputs: Outputs, targets: Targets) -> LossValue:
    """Call a loss; a bare scalar is taken as the total."""
    value = loss(outputs, targets)
    return value if isinstance(value, LossValue) else LossValue(total=value)


def tell_epoch(loss: Loss, epoch: int, epochs: int) -> None:
    """Tell a loss that listens which epoch it is for."""
    listens = getattr(loss, "epoch_started", None)
    if listens is not None:
        listens(epoch, epochs)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out: CUDA's, that of one of its libraries, the CPU allocator's or
    Python's."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    said = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(one in text for one in said)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step leaves behind, detached and on the device.

    Attributes:
        loss: mean loss of the samples.
        components: mean components of the loss by name.
        predicted: int64[N], the class with the highest logit, before the update.
    """

    loss: Tensor
    components: dict[str, Tensor]
    predicted: Tensor


class Stepper:
    """Forward, backward and one update, from one batch or from several.

    The update is that of the mean loss over all their samples. When memory runs out, the micro-batch is halved and the
    step done again from the same state (running statistics and random generators included), with gradients accumulated
    over the pieces: the update stays the same. Batch normalisation sees the pieces, which is why the size is recorded.

    Args:
        model: in training mode.
        loss: the loss plugin.
        optimizer: over the model's parameters.
        device: where they are.
        precision: of the forward and backward passes.
        clip_norm: longest gradient over all parameters together (L2), longer ones are scaled down to it
            (Pascanu et al., ICML 2013); None: no limit.

    Attributes:
        micro_batch: samples that go through the model at once; None while whole batches fit.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        precision: Precision | None = None,
        clip_norm: float | None = None,
    ) -> None:
        self._model = model
        self._loss = loss
        self._optimizer = optimizer
        self._device = device
        self._precision = precision or Precision()
        self._clip_norm = clip_norm
        self.micro_batch: int | None = None

    def step(self, batches: Sequence[tuple[Tensor, Targets]]) -> StepResult:
        """Learn from batches, which go through the model one after the other.

        Raises:
            RuntimeError: memory runs out even for a single sample; or whatever model and loss raise.
        """
        state = self._remember()
        while True:
            longest = max(len(images) for images, _ in batches)
            size = min(self.micro_batch or longest, longest)
            try:
                return self._attempt(batches, size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or size <= 1:
                    raise
            # Outside the handler: the traceback, which holds the activations, is gone here.
            self.micro_batch = (size + 1) // 2
            self._restore(state)

    def _attempt(self, batches: Sequence[tuple[Tensor, Targets]], size: int) -> StepResult:
        self._optimizer.zero_grad(set_to_none=True)
        total: Tensor | None = None
        components: dict[str, Tensor] = {}
        predicted = []
        n = sum(len(images) for images, _ in batches)
        for images, targets in _pieces(batches, size):
            share = len(images) / n
            with self._precision.autocast():
                outputs = forward(self._model, images)
            outputs = self._precision.full(outputs)
            value = evaluate_loss(self._loss, outputs, targets)
            weighted = value.total if share == 1 else value.total * share
            (weighted if self._precision.scaler is None else self._precision.scaler.scale(weighted)).backward()
            total = weighted.detach() if total is None else total + weighted.detach()
            for name, component in value.components.items():
                components[name] = components.get(name, 0) + component.detach() * share
            predicted.append(outputs.logits.detach().argmax(dim=1))
        self._update()
        assert total is not None
        return StepResult(total, components, predicted[0] if len(predicted) == 1 else torch.cat(predicted))

    def _update(self) -> None:
        scaler = self._precision.scaler
        if self._clip_norm is not None:
            if scaler is not None:
                scaler.unscale_(self._optimizer)
            parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self._clip_norm)
        if scaler is None:
            self._optimizer.step()
        else:
            scaler.step(self._optimizer)
            scaler.update()

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


def _pieces(batches: Sequence[tuple[Tensor, Targets]], size: int) -> Iterator[tuple[Tensor, Targets]]:
    for images, targets in batches:
        if len(images) <= size:
            yield images, targets
            continue
        for start in range(0, len(images), size):
            stop = min(start + size, len(images))
            yield images[start:stop], targets.slice(start, stop)
