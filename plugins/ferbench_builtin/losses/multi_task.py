"""Expression, valence and arousal together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval

from ferbench import Task, Tunable, UserError
from ferbench_builtin.losses.cross_entropy import cross_entropy
from ferbench_builtin.losses.options import Smoothing

if TYPE_CHECKING:
    from torch import Tensor

    from ferbench import LossValue, Outputs, Targets

_Share = Annotated[float, Interval(ge=0, le=1e6)]


def multi_task(
    task: Task,
    *,
    affect: Literal["mse", "ccc"] = "mse",
    valence_weight: Annotated[_Share, Tunable(0.1, 5.0, log=True)] = 1.0,
    arousal_weight: Annotated[_Share, Tunable(0.1, 5.0, log=True)] = 1.0,
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.1,
) -> Callable[[Outputs, Targets], LossValue]:
    """Cross-entropy of the expression, plus weighted losses of valence and of arousal; each is a component.

    A sample without a label of valence or arousal adds nothing there. Squared errors are summed over the labelled
    samples and divided by N, so that micro-batches add up to the batch. ``ccc`` is 1 − Lin's concordance coefficient
    (1989) of the labelled samples that go through the model together: it is a statistic of a batch, does not add up
    over micro-batches, and is 0 for fewer than two labelled samples.

    Args:
        task: must have valence and arousal.
        affect: ``mse``, the squared error, or ``ccc``.
        valence_weight: of valence in the total.
        arousal_weight: of arousal in the total.
        label_smoothing: of the expression, as in ``cross-entropy``.

    Raises:
        UserError: the dataset has no valence and arousal; and when the loss is first used, the model predicts none.
    """
    if not task.has_affect:
        raise UserError(
            "loss 'multi-task' needs valence and arousal, which the dataset does not have",
            "use --loss cross-entropy, or a dataset with those labels",
        )
    from ferbench import LossValue

    expression = cross_entropy(task, label_smoothing=label_smoothing)
    weights = {"valence": valence_weight, "arousal": arousal_weight}
    measure = squared_error if affect == "mse" else discordance

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        if outputs.affect is None or targets.affect is None:
            raise UserError(
                "loss 'multi-task' needs a model that predicts valence and arousal",
                "give the model that head (--set model.affect=true), or choose --loss cross-entropy",
            )
        value = expression(outputs, targets)
        total, components = value.total, dict(value.components)
        for column, (name, weight) in enumerate(weights.items()):
            part = measure(outputs.affect[:, column].float(), targets.affect[:, column].float(), targets.weight)
            total = total + weight * part
            components[name] = part.detach()
        return LossValue(total, components)

    return loss


def _labelled(truth: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """The truth with 0 for NaN, and the samples' weights with 0 where there is no label; no wait for the device."""
    known = ~truth.isnan()
    return truth.nan_to_num(0.0), known.float() if weight is None else known * weight.float()


def squared_error(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Σ weight (predicted − truth)² over the labelled samples, divided by N; float[N] each, NaN for no label."""
    truth, weight = _labelled(truth, weight)
    return (weight * (predicted - truth) ** 2).mean()


def discordance(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """1 − CCC over the labelled samples; float[N] each, NaN for no label."""
    import torch

    truth, weight = _labelled(truth, weight)
    n = weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
    mean, mean_predicted = (weight * truth).sum() / n, (weight * predicted).sum() / n
    away, away_predicted = truth - mean, predicted - mean_predicted
    together = (weight * away * away_predicted).sum() / n
    spread = (weight * (away**2 + away_predicted**2)).sum() / n + (mean - mean_predicted) ** 2
    return (1 - 2 * together / (spread + 1e-8)) * ((weight > 0).sum() >= 2)
