"""What the processes of one run, its ranks, exchange. Where there is only one, nothing."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ferbench.data.draws import upload
from ferbench.data.targets import Outputs
from ferbench.errors import UserError
from ferbench.training.kept import Keeping
from ferbench.training.rank_batch_norm import CommonBatchNorm
from ferbench.training.runtime import seed_everything

if TYPE_CHECKING:
    from torch.distributed import Store

#: Nobody gives up on a rank that is stopped for a while; one that has died is seen at once.
PATIENCE = datetime.timedelta(days=7)


class PeerLost(UserError):
    """Another rank of the run has ended, nobody knows why."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this run has ended, and did not say why",
            "the same command goes on from the last checkpoint; torchrun does so by itself with --max-restarts",
        )


class OutOfMemory(Exception):
    """Memory ran out on a rank. The others are in the midst of exchanges, so all have to start again.

    Attributes:
        size: samples that were too many at once.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"memory ran out with {size} samples at once")
        self.size = size


class Ranks:
    """The processes that share a run, for one of them; where it is the only one, exchanges give back what it gave.

    Args:
        store: where they meet; None: there are no others.
        index: of this one, also as an attribute; the first, 0, is the one that writes and speaks.
        count: of all, likewise.
        device: of this one, which is set up, likewise; None where there are no others.
        micro_batch: samples at once, as an earlier attempt found out, likewise; None: nothing is known.
        cause: gives the reason why another rank has ended; None: it did not say.
    """

    def __init__(
        self,
        store: Store | None = None,
        index: int = 0,
        count: int = 1,
        device: torch.device | None = None,
        micro_batch: int | None = None,
        cause: Callable[[], Exception | None] = lambda: None,
    ) -> None:
        self.index, self.count, self.device, self.micro_batch = index, count, device, micro_batch
        self._connected, self._cause = store is not None, cause
        if device is not None and store is not None:
            if device.type == "cuda":
                torch.cuda.set_device(device)
            # What is plain goes over the host even between GPUs, so that none has to be waited for.
            backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=index, world_size=count, timeout=PATIENCE)

    def broadcast(self, message: Any = None) -> Any:
        """What the first rank gives as ``message``, plain values and arrays, on all of them."""
        messages = [message]
        if self._connected:
            dist.broadcast_object_list(messages, 0, device=torch.device("cpu"))
        return messages[0]

    def copy_weights(self, model: nn.Module) -> None:
        """Give a model the first rank's weights and buffers."""
        if self._connected:
            with torch.no_grad():
                for values in (*model.parameters(), *model.buffers()):
                    sent = values.detach().contiguous()
                    dist.broadcast(sent, 0)
                    values.copy_(sent)

    def replicated(self, model: nn.Module, needs: Sequence[str] = (), *, gradients_stay: bool = False) -> nn.Module:
        """The module to call in place of a model, so that gradients become those of what all ranks have computed. Its
        outputs have no more than ``needs`` beside logits and affect, since each is copied. Gradients are tensors of
        their own, which those of the next pass are not written into, where they are to stay."""
        self.copy_weights(model)
        if not self._connected or not any(parameter.requires_grad for parameter in model.parameters()):
            return model
        # Buffers are those of common batch norms. Its newer name is not in every torch that is supported.
        known = inspect.signature(DistributedDataParallel).parameters
        about_buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        options: Any = {about_buffers: False, "init_sync": False, "gradient_as_bucket_view": not gradients_stay}
        # A parameter that no rank has a gradient for keeps none, so that no optimiser decays it.
        return DistributedDataParallel(Keeping(model, needs), find_unused_parameters=True, **options)

    @contextlib.contextmanager
    def sharing(self, samples: Sequence[int], model: nn.Module | None = None, *, last: bool = True) -> Iterator[None]:
        """In this block batch norms see the samples of all ranks, so many of each.

        Args:
            samples: of each rank.
            model: as `replicated` gave it, where it learns.
            last: of the pieces of an update: with its backward pass gradients are exchanged.
        """
        with contextlib.ExitStack() as stack:
            if not last and isinstance(model, DistributedDataParallel):
                stack.enter_context(model.no_sync())
            if self._connected:
                stack.enter_context(CommonBatchNorm(samples, self.index, self.add))
            yield

    def whole(self, outputs: Outputs, places: NDArray[np.int64] | None, n: int) -> Outputs:
        """Outputs for all ``n`` samples of a batch, of which this rank has those at ``places`` computed.

        Gradients flow to the rank's own.
        """
        if places is None:
            return outputs
        where = upload(torch.from_numpy(places), outputs.logits.device)
        # A rank without samples computes one that does not count.
        return outputs.each(lambda part: _Whole.apply(part[: len(where)], where, n, self))

    def add(self, values: Tensor) -> Tensor:
        """Replace a contiguous tensor by its sum over the ranks, and return it."""
        if self._connected:
            dist.all_reduce(values)
        return values

    def sums(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sums over the ranks of those of the tensors that the first one has; who has none adds nothing."""
        wanted = self.broadcast({name: (part.shape, part.dtype) for name, part in parts.items()})
        return {
            name: self.add(parts[name] if name in parts else torch.zeros(shape, dtype=dtype, device=self.device))
            for name, (shape, dtype) in wanted.items()
        }

    def seed_step(self, seed: int, step: int) -> None:
        """Let the other ranks drop other units than the first, the same ones whenever that step is done."""
        if self.index:
            text = f"{seed} {step} {self.index}".encode()
            seed_everything(int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "little"))

    def explain(self, error: BaseException) -> BaseException:
        """The cause of an error, where it lies with another rank."""
        return (self._cause() or PeerLost()) if self._connected and is_lost(error) else error


ALONE = Ranks()


def is_lost(error: BaseException) -> bool:
    """Whether an exchange has failed, mostly because another rank has ended."""
    return isinstance(error, (PeerLost, dist.DistError)) or (isinstance(error, RuntimeError) and "gloo" in str(error))


class _Whole(torch.autograd.Function):
    """Rows of all ranks from those that each has; the gradient of a rank's own rows comes back to it.

    Every rank has the loss of the whole batch, and gradients of parameters are averaged over the ranks: what each adds
    to them counts as often as there are ranks.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, places: Tensor, n: int, ranks: Ranks) -> Tensor:
        ctx.save_for_backward(places)
        ctx.count = ranks.count
        rows = own.new_zeros(n, *own.shape[1:])
        rows[places] = own
        return ranks.add(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None, None]:
        (places,) = ctx.saved_tensors
        return gradients[0][places] * ctx.count, None, None, None
