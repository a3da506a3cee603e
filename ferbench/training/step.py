"""One optimiser step, in as many pieces as memory asks for."""

from __future__ import annotations

import functools
import gc
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.cuts import count_pieces, piece_bounds
from ferbench.data.shards import Shards
from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError, is_out_of_memory
from ferbench.metrics.measures import component_fault
from ferbench.plugin.culprit import calls, in_use
from ferbench.training.closure import ClosureRule, Held, without_closure
from ferbench.training.kept import apart, check_kept, count_views, kept, stacked
from ferbench.training.moment import Moment
from ferbench.training.per_sample import plain_losses
from ferbench.training.precision import Precision
from ferbench.training.ranks import ALONE, OutOfMemory, Ranks
from ferbench.training.teaching import Teacher
from ferbench.training.undeclared import refuse_unnamed, unnamed, watched
from ferbench.wording import one_line

Loss = Callable[[Outputs, Targets], LossValue | Tensor]


@calls("model")
def forward(model: nn.Module, images: Tensor, needs: Sequence[str] = ()) -> Outputs:
    """Call a model; a bare tensor is taken as logits.

    Args:
        model: the model.
        images: float[N, C, H, W]; or float[N, V, C, H, W] of V views, which it sees together.
        needs: what is kept beside logits and affect; all of it is there then.

    Returns:
        Outputs for the first view, with those for the others in ``others``.

    Raises:
        UserError: it does not give logits[N, K], and valence and arousal as float[N, 2] or not at all; or not what is
            needed.
    """
    views = count_views(images)
    outputs = model(images if views == 1 else stacked(images))
    outputs = kept(outputs, needs) if isinstance(outputs, Outputs) else Outputs(logits=outputs)
    n = len(images) * views
    _check_shape("logits", outputs.logits, (n, None))
    if outputs.affect is not None:
        _check_shape("affect", outputs.affect, (n, 2))
    check_kept(outputs, needs, n)
    return outputs if views == 1 else apart(outputs, views)


def _check_shape(name: str, part: object, wanted: tuple[int, int | None]) -> None:
    n, width = wanted
    if isinstance(part, Tensor) and part.ndim == 2 and len(part) == n and width in (None, part.shape[1]):
        return
    raise UserError(
        f"{in_use('model')} gives {_shown(part)} as {name} for {n} images, not one of shape ({n}, {width or 'K'})",
        "let its forward() return ferbench.Outputs, or a tensor of logits[N, K]",
    )


@calls("loss")
def evaluate_loss(loss: Loss, outputs: Outputs, targets: Targets) -> LossValue:
    """Call a loss; a bare scalar is taken as the total.

    It gets targets of its own, since what it writes into them would be counted as the truth. Outputs are its own
    already: whoever needs what a model gave takes it before the loss is called.

    Raises:
        UserError: the total is no scalar, a component has the name of something else in the records or is none, or
            labels are corrected to what are none; it gives losses of single samples that are not one for each; or it
            fails since it reads of the outputs what its spec does not name.
    """
    classes = outputs.logits.shape[1]
    given = watched(outputs)
    try:
        value = loss(given, targets.each(Tensor.clone))
    except (AssertionError, AttributeError, KeyError, TypeError) as error:
        if (name := unnamed(error, given)) is None:
            raise
        raise refuse_unnamed(name) from error
    value = value if isinstance(value, LossValue) else LossValue(total=value)
    if not is_number(value.total):
        raise UserError(
            f"{in_use('loss')} returns {_shown(value.total)} for {len(targets)} images, "
            "not a tensor with a single number",
            "let it return the mean over the samples",
        )
    if not isinstance(value.components, Mapping):
        raise UserError(
            f"{in_use('loss')} returns {_shown(value.components)} as its components, not scalars by name",
            "let LossValue.components be a dictionary, such as {'centre': centre.detach()}; or leave it out",
        )
    for name, component in value.components.items():
        check_component(name, component)
    if value.per_sample is not None and not is_one_each(value.per_sample, len(targets)):
        raise UserError(
            f"{in_use('loss')} returns {_shown(value.per_sample)} as the losses of {len(targets)} samples, not "
            f"float[{len(targets)}]",
            "let LossValue.per_sample be what its total is the mean of, one number a sample; or leave it out",
        )
    fault = None if value.corrected is None else corrections_fault(value.corrected, len(targets), classes)
    if fault is not None:
        raise UserError(
            f"{in_use('loss')} corrects the labels of {len(targets)} samples to {fault}",
            "let LossValue.corrected be the class ids that they have from now on, such as targets.labels where nothing "
            "is wrong with them",
        )
    return value


def is_one_each(value: object, n: int) -> bool:
    """Whether the losses of single samples are one number for each."""
    return isinstance(value, Tensor) and value.is_floating_point() and value.shape == (n,)


def corrections_fault(corrected: object, n: int, classes: int) -> str | None:
    """What a loss gives as the corrected labels of ``n`` samples; None where they can be that."""
    if not (isinstance(corrected, Tensor) and corrected.dtype == torch.int64 and corrected.shape == (n,)):
        dtype = f", {str(corrected.dtype).removeprefix('torch.')}" if isinstance(corrected, Tensor) else ""
        return f"{_shown(corrected)}{dtype}, not int64[{n}]"
    wrong = corrected[(corrected < 0) | (corrected >= classes)]
    return f"{int(wrong[0])}, where the {classes} classes are 0 to {classes - 1}" if len(wrong) else None


def check_component(name: object, component: object) -> None:
    """Refuse a component of a loss that the records cannot hold.

    Raises:
        UserError: saying why.
    """
    fault = component_fault(name)
    if fault is None and not is_number(component):
        got = _shown(component) if isinstance(component, Tensor) else repr(component)
        fault = f"is {got}, not a tensor with a single number"
    if fault is not None:
        raise UserError(
            f"{in_use('loss')} returns a component {one_line(repr(name))} that {fault}",
            "change what the loss returns: components are scalar tensors with names of their own, such as 'centre'",
        )


def _refuse_without_gradient(outputs: Outputs) -> NoReturn:
    kind = "loss" if outputs.logits.requires_grad else "model"
    raise UserError(
        f"{in_use(kind)} gives no gradient to learn from",
        "look for what detaches it, such as torch.no_grad(), .detach(), .item() or argmax",
    )


def is_number(value: object) -> bool:
    """Whether a loss's total or component is a tensor with a single number."""
    return isinstance(value, Tensor) and not value.ndim and value.dtype != torch.bool and not value.is_complex()


def _shown(value: object) -> str:
    """What a plugin gives, for a message."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"a tensor of shape {tuple(value.shape)}" if value.ndim else repr(value)


@calls("loss")
def start_epoch(loss: Loss, epoch: int, epochs: int) -> None:
    """Call a loss's ``epoch_started``, if it has one, with the epoch that it is for."""
    started = getattr(loss, "epoch_started", None)
    if started is not None:
        started(epoch, epochs)


def is_too_few_to_normalise(error: BaseException) -> bool:
    """Whether torch, or `CommonBatchNorm`, says that a batch norm was given a single value per channel to train on."""
    return isinstance(error, ValueError) and "more than 1 value per channel" in str(error)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step leaves behind, detached and on the device.

    Attributes:
        loss: mean loss of the samples.
        components: mean components of the loss by name.
        predicted: int64[N], the class with the highest logit, before the update.
        labels: int64[N], of the same samples.
        corrected: positions int64[m] in the training split, and the labels int64[m] that the loss gives these samples.
        positions: int64[N], of the same samples in the training split; None where nobody asks.
        losses: float32[N], of each; likewise.
    """

    loss: Tensor
    components: dict[str, Tensor]
    predicted: Tensor
    labels: Tensor
    corrected: Sequence[tuple[Tensor, Tensor]] = ()
    positions: Tensor | None = None
    losses: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What goes through the model at once: this rank's images, and the targets of all ranks.

    Attributes:
        samples: how many images each rank has, those of all views.
        places: of this rank's among the targets; None: they are all this rank's.
    """

    images: Tensor
    targets: Targets
    samples: Sequence[int] = ()
    places: NDArray[np.int64] | None = None


class Stepper:
    """Forward, backward and one update, from one batch or from several.

    The update is that of the mean loss over all their samples. When memory runs out, the micro-batch is halved and the
    step done again from the same state (running statistics and random generators included), with gradients accumulated
    over the pieces: the update stays the same. Batch normalisation sees the pieces, which is why the size is recorded.

    With several ranks each has its shard of every batch, and all do the same update: the loss is computed from the
    outputs of all of them, and gradients are added up. Batches here are whole ones.

    Args:
        model: in training mode.
        loss: the loss plugin.
        optimizer: over the model's parameters, and the loss's where it has some. What is called on a rank is not the
            loss that another one has: each computes all of it, so that its gradients are the same there.
        device: where they are.
        precision: of the forward and backward passes.
        clip_norm: longest gradient over all parameters together (L2), longer ones are scaled down to it
            (Pascanu et al., ICML 2013); None: no limit.
        ranks: that share the run.
        paired: samples that are mixed are on one rank.
        needs: what the loss reads of the outputs beside logits and affect.
        per_sample: whether results have the loss of each sample.
        closure: whether the optimiser computes gradients itself, by a closure; what is clipped then is each of them.
        teacher: gives ``Targets.teacher``, once for each batch; None: there is none.

    Attributes:
        micro_batch: samples that go through the model of one rank at once; None while whole batches fit.
        shards: how the batches are shared.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        precision: Precision | None = None,
        clip_norm: float | None = None,
        ranks: Ranks = ALONE,
        *,
        paired: bool = False,
        needs: Sequence[str] = (),
        per_sample: bool = False,
        closure: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        self._model = model
        self._called = ranks.replicated(model, needs, gradients_stay=closure)
        self._needs = needs
        self._per_sample = per_sample
        if isinstance(loss, nn.Module):  # which may have been built with other random numbers
            ranks.copy_weights(loss)
        if teacher is not None:
            ranks.copy_weights(teacher.model)
        self._loss = loss
        self._teacher = teacher
        self._optimizer = optimizer
        self._device = device
        self._precision = precision or Precision()
        self._clip_norm = clip_norm
        self._rule = None
        if closure:
            self._rule = ClosureRule(model, loss, optimizer, device, self._precision, clip_norm, ranks)
        self._ranks = ranks
        self.shards = Shards(ranks.count, ranks.index, paired)
        self._parameters = [each for group in optimizer.param_groups for each in group["params"]]
        self.micro_batch = ranks.micro_batch

    def step(self, batches: Sequence[tuple[Tensor, Targets]]) -> StepResult:
        """Learn from batches, which go through the model one after the other.

        Raises:
            OutOfMemory: memory runs out, and there are other ranks.
            UserError: memory is enough for single samples only, and batch norm needs more of them.
            RuntimeError: memory runs out even for a single sample; or whatever model and loss raise.
        """
        before = Moment.of(self._model, self._loss, self._device)
        held = None if self._rule is None else Held.of(self._optimizer)
        written = [images._version for images, _ in batches]
        taught: Sequence[tuple[Tensor, Targets]] | None = None  # once, however often a closure is called
        while True:
            # On all ranks the same, so that they cut batches into the same pieces.
            longest = max(self.shards.longest(len(targets)) for _, targets in batches)
            size = min(self.micro_batch or longest, longest)
            try:
                if self._teacher is not None and taught is None:
                    taught = self._teacher.taught(batches, size, self.shards, self._ranks)
                return self._attempt(taught or batches, size, before, held)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or size <= 1:
                    raise
                if self.shards.count > 1:
                    raise OutOfMemory(size) from error
            except ValueError as error:
                if self.micro_batch != 1 or not is_too_few_to_normalise(error):
                    raise
                raise UserError(
                    "memory ran out with two images at once, and batch norm cannot train on one image alone",
                    "choose a smaller model, or smaller images with data.image_size",
                ) from error
            if written != [images._version for images, _ in batches]:
                raise UserError(
                    f"memory ran out, and {in_use('model')} has changed the images in place, so that they cannot be "
                    "tried again in smaller pieces",
                    "use a smaller training.batch_size, or let the model leave its input as it is",
                )
            # Outside the handler: the traceback, which holds the activations, is gone here.
            self.micro_batch = (size + 1) // 2
            self._restore(before, held)

    def _attempt(
        self, batches: Sequence[tuple[Tensor, Targets]], size: int, before: Moment, held: Held | None
    ) -> StepResult:
        learn = functools.partial(self._learn, batches, size)
        if self._rule is not None:
            assert held is not None
            return self._rule.step(learn, [images for images, _ in batches], before, held)
        result = learn()
        self._update()
        return result

    def _learn(self, batches: Sequence[tuple[Tensor, Targets]], size: int) -> StepResult:
        """Compute gradients."""
        self._optimizer.zero_grad(set_to_none=True)
        total: Tensor | None = None
        components: dict[str, Tensor] = {}
        predicted, labels, corrected = [], [], []
        positions: list[Tensor] = []
        losses: list[Tensor] = []
        n = sum(len(targets) for _, targets in batches)
        pieces = list(self._pieces(batches, size))
        for piece in pieces:
            share = len(piece.targets) / n
            sharing = functools.partial(self._ranks.sharing, piece.samples, self._called, last=piece is pieces[-1])
            with sharing(), self._precision.autocast():
                outputs = forward(self._called, piece.images, self._needs)
            outputs = self._ranks.whole(self._precision.full(outputs), piece.places, len(piece.targets))
            predicted.append(outputs.logits.detach().argmax(dim=1))  # a loss may write into what it is given
            plain = plain_losses(outputs, piece.targets) if self._per_sample else None
            value = evaluate_loss(self._loss, outputs, piece.targets)  # which has the samples of all ranks
            if not value.total.requires_grad:
                _refuse_without_gradient(outputs)
            weighted = value.total if share == 1 else value.total * share
            with sharing():  # a checkpointed part of the model computes its batch norms again
                (weighted if self._precision.scaler is None else self._precision.scaler.scale(weighted)).backward()
            total = weighted.detach() if total is None else total + weighted.detach()
            for name, component in value.components.items():
                components[name] = components.get(name, 0) + component.detach() * share
            labels.append(piece.targets.labels)
            if plain is not None and piece.targets.positions is not None:
                positions.append(piece.targets.positions)
                losses.append(plain if value.per_sample is None else value.per_sample.detach().float())
            if value.corrected is not None and piece.targets.positions is not None:
                corrected.append((piece.targets.positions, value.corrected.detach()))
        assert total is not None
        each = (_joined(positions), _joined(losses)) if losses else (None, None)
        return StepResult(total, components, _joined(predicted), _joined(labels), corrected, *each)

    def _pieces(self, batches: Sequence[tuple[Tensor, Targets]], size: int) -> Iterator[_Piece]:
        if self.shards.count == 1:
            yield from _pieces(batches, size)
            return
        for images, targets in batches:
            shards, views = self.shards.all(len(targets)), count_views(images)
            pieces = count_pieces(max(map(len, shards)), size)
            bounds = [piece_bounds(len(places), pieces) for places in shards]
            for piece, (start, stop) in enumerate(bounds[self.shards.index]):
                parts = [places[slice(*of[piece])] for places, of in zip(shards, bounds, strict=True)]
                every, own = np.sort(np.concatenate(parts)), parts[self.shards.index]
                # A rank that has no more samples computes one again, which does not count.
                mine = images[start:stop] if len(own) else images[:1]
                theirs = targets
                if len(every) < len(targets):
                    places = torch.from_numpy(every).to(targets.labels.device)
                    theirs = targets.each(operator.itemgetter(places))
                yield _Piece(mine, theirs, [len(part) * views for part in parts], np.searchsorted(every, own))

    @calls("optimizer")
    def _update(self) -> None:
        scaler = self._precision.scaler
        if self._clip_norm is not None:
            if scaler is not None:
                scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        with without_closure():
            if scaler is None:
                self._optimizer.step()
            else:
                scaler.step(self._optimizer)
                scaler.update()

    def _restore(self, before: Moment, held: Held | None) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if held is not None:  # the rule may have changed weights before the call that failed
            held.put_back(self._optimizer)
        before.put_back(self._model, self._loss, self._device)  # the loss may have seen some of the pieces


def _pieces(batches: Sequence[tuple[Tensor, Targets]], size: int) -> Iterator[_Piece]:
    for images, targets in batches:
        if len(images) <= size:
            yield _Piece(images, targets)
            continue
        for start, stop in piece_bounds(len(images), count_pieces(len(images), size)):
            yield _Piece(images[start:stop], targets.slice(start, stop))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
