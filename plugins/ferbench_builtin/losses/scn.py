"""Self-cure network: samples learn how much they count, and doubtful labels are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import nn


def scn(
    task: Task,
    *,
    high: Annotated[float, Interval(gt=0, lt=1), Tunable(0.5, 0.9)] = 0.7,
    rank_weight: Annotated[float, Interval(ge=0, le=1e6), Tunable(0.1, 10.0, log=True)] = 1.0,
    rank_margin: Annotated[float, Interval(ge=0, le=1), Tunable(0.0, 0.3)] = 0.15,
    relabel: Literal["lowest", "all", "none"] = "lowest",
    relabel_margin: Annotated[float, Interval(ge=0, le=1), Tunable(0.0, 0.5)] = 0.2,
    relabel_from: Annotated[int, Interval(ge=1, le=1_000_000)] = 10,
) -> nn.Module:
    """Self-Cure Network of Wang et al. 2020 (https://arxiv.org/abs/2002.10392), in nats: the mean over the N samples
    of the cross-entropy of α z, + γ max(0, δ1 − (mean α of the high group − mean α of the low group)).

    z are the logits and α = σ(w·x + b) says how much a sample counts, from its features x by a layer that is a part of
    the loss. The high group are the ⌊β N⌋ samples that go through the model together with the largest α. From some
    epoch on, a sample of the low group whose likeliest class by softmax(α z) is likelier than its label by more than
    δ2 has that class from then on; ``corrections.csv`` of the run says which.

    The paper weighs both parts by ½, which is half of γ = 1; its code
    (https://github.com/kaiwang960112/Self-Cure-Network) adds them as here, and changes labels in both groups
    (``relabel=all``). Predictions are those of z: the classes are the same, and probabilities are sharper than those
    of α z. Distributions count in the cross-entropy, and the label alone where labels are changed: with Mixup or
    CutMix, which the method is not made for, that of the larger share. Validation and test have the cross-entropy of α
    z.

    Args:
        task: classes, and D of the model's features.
        high: β, share of the high group; the paper's.
        rank_weight: γ, of the rank regularisation.
        rank_margin: δ1, the paper's.
        relabel: whose labels may change: of the low group, "all", or "none".
        relabel_margin: δ2, the paper's.
        relabel_from: the first epoch in which they change; the paper's.
    """
    from ferbench_builtin.losses.scn_module import SelfCure

    return SelfCure(
        task,
        high=high,
        rank_weight=rank_weight,
        rank_margin=rank_margin,
        relabel=relabel,
        relabel_margin=relabel_margin,
        relabel_from=relabel_from,
    )
