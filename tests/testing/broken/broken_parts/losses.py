import torch.nn.functional as F


def builds(task):
    return None


def scalar(task):
    return lambda outputs, targets: F.cross_entropy(outputs.logits, targets.labels, reduction="none")


def finite(task):
    return lambda outputs, targets: F.nll_loss(outputs.logits.softmax(1).log(), targets.labels)


def gradient(task):
    return lambda outputs, targets: F.cross_entropy(outputs.logits.detach(), targets.labels)


def lower_for_better(task):
    return lambda outputs, targets: -F.cross_entropy(outputs.logits, targets.labels)


def mean_over_samples(task):
    return lambda outputs, targets: F.cross_entropy(outputs.logits, targets.labels, reduction="sum")


def missing_labels(task):
    def loss(outputs, targets):
        return F.cross_entropy(outputs.logits, targets.labels) + F.mse_loss(outputs.affect, targets.affect)

    return loss


class Heating:
    def __init__(self):
        self.told = 0

    def epoch_started(self, epoch, epochs):
        self.told += 1

    def __call__(self, outputs, targets):
        return F.cross_entropy(outputs.logits, targets.labels) * (1 + self.told)


def any_epoch(task):
    return Heating()


def class_order(task):
    def loss(outputs, targets):
        each = F.cross_entropy(outputs.logits, targets.labels, reduction="none")
        return (each * (1 + (targets.labels == 0))).mean()

    return loss
