"""What the processes of one run, its ranks, exchange. Where there is only one, nothing."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.draws import upload
from ferbench.data.shards import Shards
from ferbench.data.targets import Outputs

if TYPE_CHECKING:
    from torch.distributed import Store

#: Bytes of gradients or weights that are exchanged at once.
_BUCKET = 32 << 20

#: Nobody gives up on a rank that is stopped for a while; one that has died is seen at once.
_PATIENCE = datetime.timedelta(days=7)


class PeerLost(Exception):
    """An exchange with the other ranks failed, mostly because one of them has ended."""


class OutOfMemory(Exception):
    """Memory ran out on this rank. The others are in the midst of exchanges, so all have to start again.

    Attributes:
        size: samples that were too many at once.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"memory ran out with {size} samples at once")
        self.size = size


class Ranks:
    """A run's only process: every exchange gives back what it was given.

    Attributes:
        index: of this rank; the first, 0, is the one that writes and speaks.
        count: of all ranks.
        micro_batch: samples at once, as an earlier attempt found out; None: nothing is known.
    """

    index = 0
    count = 1
    micro_batch: int | None = None

    @property
    def device(self) -> torch.device | None:
        """Where this rank computes; None: as the recipe has it."""
        return None

    def shards(self, *, paired: bool = False) -> Shards:
        """How batches are cut."""
        return Shards(self.count, self.index, paired)

    def broadcast(self, message: Any = None) -> Any:
        """What the first rank gives as ``message``, plain values and arrays, on all of them."""
        return message

    def copy_weights(self, model: nn.Module) -> None:
        """Give a model the first rank's weights and buffers."""

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace gradients by their sums over the ranks; one that no rank has stays None."""

    def add(self, values: Tensor) -> Tensor:
        """Replace a contiguous tensor by its sum over the ranks, and return it."""
        return values

    def whole(self, outputs: Outputs, places: NDArray[np.int64] | None, n: int) -> Outputs:
        """Outputs for all ``n`` samples of a batch, of which this rank has those at ``places`` computed.

        Gradients flow to the rank's own.
        """
        return outputs

    def batch_norms(self, samples: Sequence[int]) -> AbstractContextManager[object]:
        """In this block batch norms see the samples of all ranks, so many of each."""
        return contextlib.nullcontext()

    def seed_step(self, seed: int, step: int) -> None:
        """Let the other ranks drop other units than the first, the same ones whenever that step is done."""

    def explain(self, error: BaseException) -> BaseException:
        """The cause of an error, where it lies with another rank."""
        return error


ALONE = Ranks()


class ConnectedRanks(Ranks):
    """One of several processes.

    Args:
        store: where they meet.
        index: of this one.
        count: of all.
        device: of this one.
        micro_batch: as `Ranks` has it.
        cause: waits for and gives the reason why another rank has ended; None: nobody knows it.
    """

    def __init__(
        self,
        store: Store | Path,
        index: int,
        count: int,
        device: torch.device,
        micro_batch: int | None = None,
        cause: Callable[[], BaseException | None] = lambda: None,
    ) -> None:
        import torch.distributed as dist

        self.index = index
        self.count = count
        self.micro_batch = micro_batch
        self._device = device
        self._cause = cause
        if device.type == "cuda":
            torch.cuda.set_device(device)
        with _exchange():
            dist.init_process_group(
                # What is plain goes over the host even between GPUs, so that none has to be waited for.
                "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
                store=dist.FileStore(str(store), count) if isinstance(store, Path) else store,
                rank=index,
                world_size=count,
                timeout=_PATIENCE,
            )

    @property
    def device(self) -> torch.device:
        return self._device

    def broadcast(self, message: Any = None) -> Any:
        import torch.distributed as dist

        messages = [message]
        with _exchange():
            dist.broadcast_object_list(messages, 0, device=torch.device("cpu"))
        return messages[0]

    def copy_weights(self, model: nn.Module) -> None:
        with torch.no_grad():
            _in_buckets([*model.parameters(), *model.buffers()], self._from_first)

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        had = self.add(torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32))
        reached = [parameter for parameter, ranks in zip(parameters, had.tolist(), strict=True) if ranks]
        for parameter in reached:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        _in_buckets([parameter.grad for parameter in reached if parameter.grad is not None], self.add)

    def add(self, values: Tensor) -> Tensor:
        import torch.distributed as dist

        with _exchange():
            dist.all_reduce(values)
        return values

    def whole(self, outputs: Outputs, places: NDArray[np.int64] | None, n: int) -> Outputs:
        assert places is not None
        where = upload(torch.from_numpy(places), outputs.logits.device)
        # A rank without samples computes one that does not count.
        given = (None if part is None else part[: len(where)] for part in (outputs.logits, outputs.affect))
        logits, affect = (None if part is None else _Whole.apply(part, where, n, self.add) for part in given)
        assert logits is not None
        return Outputs(logits, affect)

    def batch_norms(self, samples: Sequence[int]) -> AbstractContextManager[object]:
        from ferbench.training.rank_batch_norm import CommonBatchNorm

        return CommonBatchNorm(samples, self.index, self.add)

    def seed_step(self, seed: int, step: int) -> None:
        if self.index:
            from ferbench.training.runtime import seed_everything

            text = f"{seed} {step} {self.index}".encode()
            seed_everything(int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "little"))

    def explain(self, error: BaseException) -> BaseException:
        return (self._cause() or error) if isinstance(error, PeerLost) else error

    def _from_first(self, values: Tensor) -> Tensor:
        import torch.distributed as dist

        with _exchange():
            dist.broadcast(values, 0)
        return values


class _Whole(torch.autograd.Function):
    """Rows of all ranks from those that each has; the gradient of a rank's own rows comes back to it."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, places: Tensor, n: int, add: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(places)
        rows = own.new_zeros(n, *own.shape[1:])
        rows[places] = own
        return add(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None, None]:
        (places,) = ctx.saved_tensors
        return gradients[0][places], None, None, None


@contextlib.contextmanager
def _exchange() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of torch.distributed, whose own kinds of errors are of that kind too
        raise PeerLost(f"the processes of this run no longer reach each other: {error}") from error


def _in_buckets(tensors: Sequence[Tensor], exchange: Callable[[Tensor], Tensor]) -> None:
    """Put tensors through an exchange, many at once; their memory layouts stay."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for alike in kinds.values():
        bucket: list[Tensor] = []
        for position, tensor in enumerate(alike):
            bucket.append(tensor)
            size = sum(each.numel() * each.element_size() for each in bucket)
            if size >= _BUCKET or position == len(alike) - 1:
                flat = exchange(torch.cat([each.detach().reshape(-1) for each in bucket]))
                for each, values in zip(bucket, flat.split([each.numel() for each in bucket]), strict=True):
                    each.detach().copy_(values.view(each.shape))
                bucket = []


def in_order(values: NDArray[np.floating[Any]]) -> float:
    """The sum of some numbers, added one after the other in their own precision, wherever each was computed."""
    return float(functools.reduce(lambda total, value: total + value, values))
