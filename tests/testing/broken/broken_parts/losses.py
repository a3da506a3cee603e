import torch
import torch.nn.functional as F
from torch import nn

import ferbench


def cross_entropy(outputs, targets, **how):
    logits = outputs.logits
    return F.cross_entropy(logits, targets.distributions(logits.shape[1]), **how)


def builds(task):
    return None


def needs(task):
    return lambda outputs, targets: cross_entropy(outputs, targets) + outputs.features.square().mean()


def one_view(task):
    return lambda outputs, targets: cross_entropy(outputs, targets) + cross_entropy(outputs.others[0], targets)


def reads_teacher(task):
    return lambda outputs, targets: cross_entropy(outputs, targets)


def teacher_learns_nothing(task):
    def loss(outputs, targets):
        if targets.teacher is None:
            return cross_entropy(outputs, targets)
        apart = (outputs.logits.softmax(1) - targets.teacher.logits.softmax(1)).square().sum(1).mean()
        return cross_entropy(outputs, targets) + apart

    return loss


def scalar(task):
    return lambda outputs, targets: cross_entropy(outputs, targets, reduction="none")


def component_names(task):
    def loss(outputs, targets):
        total = cross_entropy(outputs, targets)
        return ferbench.LossValue(total + 1, {"loss": total.detach()})

    return loss


def inputs_unchanged(task):
    def loss(outputs, targets):
        total = cross_entropy(outputs, targets)
        with torch.no_grad():
            outputs.logits.neg_()
        return total

    return loss


def evaluation(task):
    return lambda outputs, targets: cross_entropy(outputs, targets) + 0 * targets.positions.sum()


def same_in_evaluation(task):
    return lambda outputs, targets: cross_entropy(ferbench.Outputs(F.dropout(outputs.logits, 0.2)), targets)


class OwnHead(nn.Module):
    """The classes' weights are the loss's own, as in many a repository's ArcFace."""

    def __init__(self, task):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(task.num_classes, task.features))

    def forward(self, outputs, targets):
        cosine = F.linear(F.normalize(outputs.features), F.normalize(self.weight))
        return cross_entropy(ferbench.Outputs(8 * (cosine - 0.1 * targets.distributions(len(self.weight)))), targets)


trains_the_classifier = OwnHead


class Parameters(nn.Module):
    """Nothing is learnt of how much the loss counts."""

    def __init__(self, task):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, outputs, targets):
        return cross_entropy(outputs, targets) * (-self.scale.detach()).exp()


parameters = Parameters


def corrections(task):
    def loss(outputs, targets):
        return ferbench.LossValue(cross_entropy(outputs, targets), corrected=outputs.logits.detach().softmax(1))

    return loss


def single_losses(task):
    def loss(outputs, targets):
        total = cross_entropy(outputs, targets)
        return ferbench.LossValue(total, per_sample=total.detach())

    return loss


class StateRoundTrip:
    def __init__(self, task):
        self.calls = 0

    def __call__(self, outputs, targets):
        self.calls += 1
        return cross_entropy(outputs, targets) * self.calls


state_round_trip = StateRoundTrip


def absent_class(task):
    weights = 100 / torch.tensor(task.train_counts)
    return lambda outputs, targets: cross_entropy(
        outputs, targets, reduction="none", weight=weights.to(outputs.logits.device)
    ).mean()


def finite(task):
    return lambda outputs, targets: (
        -(targets.distributions(outputs.logits.shape[1]) * outputs.logits.softmax(1).log()).sum(1).mean()
    )


def gradient(task):
    return lambda outputs, targets: cross_entropy(ferbench.Outputs(outputs.logits.detach()), targets)


def lower_for_better(task):
    return lambda outputs, targets: -cross_entropy(outputs, targets)


def mean_over_samples(task):
    return lambda outputs, targets: cross_entropy(outputs, targets, reduction="sum")


def missing_labels(task):
    def loss(outputs, targets):
        return cross_entropy(outputs, targets) + F.mse_loss(outputs.affect, targets.affect)

    return loss


class Heating:
    def __init__(self):
        self.told = 0

    def epoch_started(self, epoch, epochs):
        self.told += 1

    def __call__(self, outputs, targets):
        return cross_entropy(outputs, targets) * (1 + self.told)


def any_epoch(task):
    return Heating()


def class_order(task):
    def loss(outputs, targets):
        each = cross_entropy(outputs, targets, reduction="none")
        return (each * (1 + (targets.labels == 0))).mean()

    return loss


def distributions(task):
    return lambda outputs, targets: F.cross_entropy(outputs.logits, targets.labels)


def device(task):
    weight = torch.ones(task.num_classes)
    return lambda outputs, targets: cross_entropy(outputs, targets, weight=weight)
