"""The loss of relative uncertainty learning as a module."""

from __future__ import annotations

from torch import Tensor, nn

from ferbench import LossValue, Outputs, Targets, Task
from ferbench_builtin.losses.expression import over_samples
from ferbench_builtin.losses.parts import cross_entropies

_EPSILON = 2e-5  # of the authors' batch norms


class RelativeUncertainty(nn.Module):
    """See :func:`ferbench_builtin.losses.rul.rul`."""

    def __init__(self, task: Task, *, width: int) -> None:
        super().__init__()
        assert task.features is not None
        # Nothing is asked of the branch where nothing is learnt, so no statistics have to be kept.
        self.branch = nn.Sequential(
            nn.BatchNorm1d(task.features, eps=_EPSILON, affine=False, track_running_stats=False),
            nn.Linear(task.features, width),
            nn.BatchNorm1d(width, eps=_EPSILON, track_running_stats=False),
        )

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        # A batch of one is mixed with itself, whatever its uncertainty is.
        if targets.positions is None or len(targets) == 1:
            return over_samples(cross_entropies(outputs.logits, targets), targets.weight)
        assert outputs.features is not None
        assert outputs.classifier is not None
        features = outputs.features.float()
        mixed = mixtures(features, self.branch(features).exp().mean(dim=1, keepdim=True))
        logits = outputs.classifier(mixed)
        # Each label is learnt from two mixtures: of its sample with the one before it, and with the one after.
        before = cross_entropies(logits, targets)
        after = cross_entropies(logits.roll(-1, dims=0), targets)
        return over_samples((before + after) / 2, targets.weight)


def mixtures(features: Tensor, uncertainty: Tensor) -> Tensor:
    """Features float[N, D] of each sample mixed with those of the one before it, by their uncertainties float[N, 1]."""
    others = uncertainty.roll(1, dims=0)
    return (uncertainty * features + others * features.roll(1, dims=0)) / (uncertainty + others)
