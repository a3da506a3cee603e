"""A loss with parameters, a memory and corrections, which calls the model's classifier, for tests of whole runs."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

import ferbench

#: The model that is trained, whose classifier the loss calls.
_BUILT: list[nn.Module] = []


@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("margins", build="learning:Margins", summary="For tests")


@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("two-wide", build="learning:two_wide", image_size=16, channels=1, affect=True)


class TwoWide(nn.Module):
    """Features of two dimensions, given as valence and arousal."""

    def __init__(self, task):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(task.channels, 6, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(96, 2))
        self.head = nn.Linear(2, task.num_classes)

    def forward(self, images):
        features = torch.tanh(self.body(images))
        return ferbench.Outputs(self.head(features), features)


def two_wide(task):
    _BUILT[:] = [TwoWide(task)]
    return _BUILT[0]


class Margins(nn.Module):
    """Cross-entropy with a margin for each class that is learnt, and of the classifier once more; every so many samples
    it puts the next class in the place of theirs."""

    def __init__(self, task, *, correct: bool = True):
        super().__init__()
        self.margins = nn.Parameter(torch.randn(task.num_classes))  # which other ranks draw otherwise
        self.register_buffer("memory", None)
        self.correct = correct

    def forward(self, outputs, targets):
        _refuse_differences(self.margins, *_BUILT[0].head.parameters())
        classes = outputs.logits.shape[1]
        truth = targets.distributions(classes)
        total = F.cross_entropy(outputs.logits - truth * F.softplus(self.margins), truth)
        total = total - 0.05 * self.margins.tanh().mean() + F.cross_entropy(_BUILT[0].head(outputs.affect), truth)
        if targets.positions is None:
            return total
        spread = F.batch_norm(outputs.affect, None, None, training=True)  # over the samples of all devices, once
        total = total + 0.3 * F.cross_entropy(_BUILT[0].head(spread), truth)
        if self.memory is None:
            self.memory = truth.new_zeros(int(targets.class_counts.sum()), classes)
        self.memory[targets.positions] += outputs.logits.detach().softmax(1)
        total = total + 0.01 * (self.memory[targets.positions] * outputs.logits).sum(1).mean()
        moved = (targets.positions + targets.epoch) % 9 == 0
        corrected = torch.where(moved, (targets.labels + 1) % classes, targets.labels)
        return ferbench.LossValue(total, corrected=corrected if self.correct else None)


def _refuse_differences(*weights):
    """Each rank has the weights that the first has, at every batch."""
    if dist.is_available() and dist.is_initialized() and torch.is_grad_enabled():
        own = torch.cat([each.detach().flatten() for each in weights])
        others = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(others, own)
        if not all(torch.equal(other, own) for other in others):
            raise ValueError("ranks have come apart")
