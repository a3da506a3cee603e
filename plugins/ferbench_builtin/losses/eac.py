"""Erasing attention consistency: a face and its mirror image are looked at in the same places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import Tensor

    from ferbench import LossValue, Outputs, Targets


def eac(
    task: Task, *, weight: Annotated[float, Interval(ge=0, le=1e6), Tunable(0.5, 50.0, log=True)] = 5.0
) -> Callable[[Outputs, Targets], LossValue]:
    """Erasing Attention Consistency of Zhang et al. 2022 (https://arxiv.org/abs/2207.10299), in nats: the mean over
    the N samples of cross-entropy + λ (A − flip(A'))², averaged over classes and places.

    A float[K, h, w] are the class activation maps of an image, Σ_d W_kd F_d of its last feature maps F with the
    classifier's weights W, which get no gradient here; A' are those of its mirror image, changed over left and right.
    The cross-entropy is that of the first view.

    The other part of the method is random erasing, which is the augmentation's: ``--augmentation standard --set
    augmentation.erase=0.5 --set augmentation.erase_area=0.25`` has the values of the authors' code
    (https://github.com/zyh-uaiaaaa/Erasing-Attention-Consistency). The mirror image is erased in the mirrored place.
    Other than there, the model sees both views at once, so that batch norm does.

    It needs ``maps`` whose means the classifier is given, but for dropout, and a classifier that is linear. With
    ``model.head=cosine`` the maps are those before features are scaled to length 1. Validation and test have one view:
    there it is cross-entropy.

    Args:
        task: the learning problem; nothing of it is needed.
        weight: λ, the paper's.
    """
    import torch

    from ferbench_builtin.losses.parts import cross_entropies, summed

    def activations(outputs: Outputs) -> Tensor:
        """float[N, K, h, w]."""
        maps, classifier = outputs.extra["maps"].float(), outputs.classifier
        assert classifier is not None
        with torch.no_grad():  # what is linear is known by what it does with each feature alone
            alone = torch.eye(maps.shape[1], device=maps.device)
            weights = classifier(alone) - classifier(torch.zeros_like(alone[:1]))
        return torch.einsum("ndhw,dk->nkhw", maps, weights)

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        parts = {"expression": (1.0, cross_entropies(outputs.logits, targets))}
        if outputs.others:
            apart = activations(outputs) - activations(outputs.others[0]).flip(3)
            parts["consistency"] = (weight, apart.square().mean(dim=(1, 2, 3)))
        return summed(parts, targets.weight)

    return loss
