import torch
import torch.nn.functional as F
from torch import nn

import ferbench


class Net(nn.Module):
    """A sound model of one convolution, which the others are made of."""

    def __init__(self, task):
        super().__init__()
        self.features = nn.Conv2d(task.channels, 8, 3)
        self.head = nn.Linear(8, task.num_classes)

    def pooled(self, images):
        return F.relu(self.features(images)).mean((2, 3))

    def forward(self, images):
        return self.head(self.pooled(images))


def options(task, *, width):
    return Net(task)


def builds(task):
    return lambda images: images


def shapes(task):
    net = Net(task)
    net.head = nn.Linear(8, task.num_classes + 1)
    return net


class NamedOutputs(Net):
    def forward(self, images):
        pooled = self.pooled(images)
        return ferbench.Outputs(self.head(pooled), extra={"pooled": pooled})


named_outputs = NamedOutputs


class ClassifierOfFeatures(Net):
    def forward(self, images):
        pooled = self.pooled(images)
        return ferbench.Outputs(self.head(pooled), None, pooled, classifier=lambda given: self.head(F.normalize(given)))


classifier_of_features = ClassifierOfFeatures


class UnnormalisedLogits(Net):
    def forward(self, images):
        return super().forward(images).log_softmax(1)


unnormalised_logits = UnnormalisedLogits


class LooksAtTheImages(Net):
    def pooled(self, images):
        return super().pooled(torch.ones_like(images))


looks_at_the_images = LooksAtTheImages


def gradients(task):
    net = Net(task)
    net.forgotten = nn.Linear(8, 8)
    return net


class SameOutputInEvaluation(Net):
    def forward(self, images):
        return self.head(F.dropout(self.pooled(images), 0.5))  # training=True is the default


same_output_in_evaluation = SameOutputInEvaluation


class BatchOfOne(Net):
    def __init__(self, task):
        super().__init__(task)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)

    def pooled(self, images):
        return F.relu(self.norm(self.features(images))).mean((2, 3))


batch_of_one = BatchOfOne


class InputUnchanged(Net):
    def forward(self, images):
        return super().forward(images.clamp_(0, 0.5))


input_unchanged = InputUnchanged


class StateDictRoundTrip(Net):
    def __init__(self, task):
        super().__init__(task)
        self.scale = torch.rand(8)  # no buffer

    def pooled(self, images):
        return self.scale * super().pooled(images)


state_dict_round_trip = StateDictRoundTrip


def same_seed_same_weights(task):
    net = Net(task)
    generator = torch.Generator()
    generator.seed()
    with torch.no_grad():
        net.head.weight.copy_(torch.rand(net.head.weight.shape, generator=generator))
    return net
