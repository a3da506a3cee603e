"""What a model consists of: layers, output shapes, parameters, arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ferbench.data.targets import Outputs
from ferbench.task import Task
from ferbench.training.evaluation import evaluating


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of a layer table.

    Attributes:
        name: the module's name within the model, "" for the model itself.
        kind: the module's class ("Conv2d").
        output_shape: shape of what it returned last, without the batch dimension; None where it was never
            called or returned no tensor.
        parameters: trainable and frozen parameters and running statistics of its own, without its children's.
            What two layers share is counted with the first.
        flops: floating-point operations of its own in the forward pass of one image, over all its calls.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    flops: int


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The layers of a model in the order of their definition, and its totals.

    Attributes:
        rows: the modules without children, and those with children that have parameters or arithmetic of
            their own.
        trainable: parameters that require a gradient.
        frozen: parameters that do not.
        statistics: running statistics, such as a batch norm's mean and variance.
        flops: floating-point operations of the forward pass of one image; a multiply-add counts as two.
            Convolutions, matrix products and attention are counted, element-wise arithmetic is not.
    """

    rows: tuple[Layer, ...]
    trainable: int
    frozen: int
    statistics: int
    flops: int

    @property
    def parameters(self) -> int:
        """Trainable, frozen and statistics together: what Keras calls total parameters."""
        return self.trainable + self.frozen + self.statistics

    def totals(self) -> dict[str, int]:
        """Totals by name, as the record of a run has them."""
        return {
            "parameters": self.parameters,
            "trainable": self.trainable,
            "frozen": self.frozen,
            "statistics": self.statistics,
            "flops": self.flops,
        }

    def to_dict(self) -> dict[str, Any]:
        """The table as plain values for JSON; ``parameters`` included."""
        return {**self.totals(), "rows": [asdict(row) for row in self.rows]}


def count_parameters(model: nn.Module) -> tuple[int, int, int]:
    """Count a model's parameters: (trainable, frozen, statistics).

    Statistics are the floating-point buffers that a checkpoint holds; ``num_batches_tracked`` and index
    tables are integers and do not count. What modules share is counted once.
    """
    counted: set[int] = set()
    trainable = frozen = statistics = 0
    for module in model.modules():
        for parameter in _own_parameters(module, counted):
            if parameter.requires_grad:
                trainable += parameter.numel()
            else:
                frozen += parameter.numel()
        statistics += sum(buffer.numel() for buffer in _own_statistics(module, counted))
    return trainable, frozen, statistics


def layer_table(model: nn.Module, task: Task) -> LayerTable:
    """Run one blank image through a model, in evaluation mode, and tabulate its layers.

    The model is left as it was: training flags, running statistics and the CPU's random state do not change.

    Args:
        model: takes float[1, C, H, W] with the task's C, H and W, on the device of its parameters.
        task: the learning problem that the model was built for.
    """
    first = next(model.parameters(), torch.empty(0))
    image = torch.zeros(1, task.channels, task.height, task.width, dtype=first.dtype, device=first.device)
    flops, shapes = _trace(model, image)
    counted: set[int] = set()
    rows = []
    for name, module in model.named_modules():
        own = [*_own_parameters(module, counted), *_own_statistics(module, counted)]
        if not own and not flops.get(module) and any(True for _ in module.children()):
            continue
        rows.append(
            Layer(
                name=name,
                kind=type(module).__name__,
                output_shape=shapes.get(module),
                parameters=sum(tensor.numel() for tensor in own),
                flops=flops.get(module, 0),
            )
        )
    return LayerTable(tuple(rows), *count_parameters(model), flops=sum(flops.values()))


def _trace(model: nn.Module, image: Tensor) -> tuple[dict[nn.Module, int], dict[nn.Module, tuple[int, ...] | None]]:
    """FLOPs that each module did itself (its children's left out) and the shape that it returned last."""
    flops: dict[nn.Module, int] = {}
    shapes: dict[nn.Module, tuple[int, ...] | None] = {}
    running: list[nn.Module] = []
    seen = 0
    counter = _Flops()

    def credit() -> None:
        """Give the innermost running module what was computed since the last module began or ended."""
        nonlocal seen
        total = counter.total
        if running and total > seen:
            flops[running[-1]] = flops.get(running[-1], 0) + total - seen
        seen = total

    def enter(module: nn.Module, inputs: Any) -> None:
        credit()
        running.append(module)

    def leave(module: nn.Module, inputs: Any, outputs: Any) -> None:
        credit()
        running.pop()
        tensor = _first_tensor(outputs)
        shapes[module] = None if tensor is None else tuple(tensor.shape[1:])

    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.no_grad())
        for module in model.modules():
            stack.callback(module.register_forward_pre_hook(enter).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        # Fused attention kernels hide their arithmetic from the counter; the plain ones are matrix products.
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(_plain_transformer_layers())
        stack.enter_context(counter)
        model(image)
    return flops, shapes


class _Flops(TorchDispatchMode):
    """Counts by the formulas of torch's own `FlopCounterMode`, which imports torch's compiler to be left out of it.

    Attributes:
        total: floating-point operations so far.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        formula = flop_registry.get(getattr(func, "_overloadpacket", func))
        if formula is None and isinstance(func, torch._ops.OpOverload) and func is not torch.ops.prim.device.default:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result


@contextmanager
def _plain_transformer_layers() -> Iterator[None]:
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def _own_parameters(module: nn.Module, counted: set[int]) -> list[Tensor]:
    return _uncounted((parameter for parameter in module.parameters(recurse=False)), counted)


def _own_statistics(module: nn.Module, counted: set[int]) -> list[Tensor]:
    transient = module._non_persistent_buffers_set
    buffers = (
        buffer
        for name, buffer in module.named_buffers(recurse=False)
        if name not in transient and buffer.is_floating_point()
    )
    return _uncounted(buffers, counted)


def _uncounted(tensors: Iterator[Tensor], counted: set[int]) -> list[Tensor]:
    fresh = []
    for tensor in tensors:
        if id(tensor) not in counted:
            counted.add(id(tensor))
            fresh.append(tensor)
    return fresh


def _first_tensor(value: Any) -> Tensor | None:
    """The tensor that stands for what a module returned: the first one in it, the logits of ``Outputs``."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Outputs):
        return value.logits
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return next((tensor for tensor in map(_first_tensor, value) if tensor is not None), None)
    return None
