"""Models for tests of runs on several devices: one whose every part is exact, and some that fail on the second rank."""

from typing import Annotated

import torch
import torch.distributed as dist
from torch import nn

import ferbench
from ferbench.data.targets import Outputs


def _second() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_rank() == 1


class Net(nn.Module):
    """Convolutions and batch norms, two heads, a parameter that nothing uses and one that is frozen."""

    def __init__(self, task, dropout=0.0):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(task.channels, 6, 3, stride=2, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(8, task.num_classes)
        self.affect = nn.Linear(8, 2)
        self.unused = nn.Parameter(torch.ones(3))
        self.affect.bias.requires_grad_(False)

    def forward(self, images):
        features = self.body(images)
        extra = {"angles": torch.tanh(features), "unwanted": features}
        return Outputs(self.head(features), torch.tanh(self.affect(features)), features, extra, self.head)


class Breaks(Net):
    def forward(self, images):
        if _second() and self.training:
            raise ZeroDivisionError("a bug on the second device")
        return super().forward(images)


class Dies(Net):
    def forward(self, images):
        if _second() and self.training:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)


class Hungry(Net):
    def forward(self, images):
        if _second() and self.training and len(images) > 5:
            raise torch.OutOfMemoryError(f"no room for {len(images)} images")
        return super().forward(images)


def net(task, *, dropout: Annotated[float, ferbench.Tunable(0.0, 0.5)] = 0.0):
    return Net(task, dropout)


def breaks(task):
    return Breaks(task)


def dies(task):
    return Dies(task)


def hungry(task):
    return Hungry(task)


def consistent(task):
    """Reads everything that it can get, of three views in training and of one in evaluation."""
    centres = torch.linspace(-1, 1, task.num_classes * task.features).view(task.num_classes, -1)

    def loss(outputs, targets):
        truth = targets.distributions(task.num_classes)
        total = nn.functional.cross_entropy(outputs.logits, truth)
        total = total + (outputs.features - truth @ centres.to(truth.device)).square().mean()
        for other in outputs.others:
            total = total + (outputs.extra["angles"] - other.extra["angles"]).square().mean()
            between = (outputs.features + other.features.flip(0)) / 2  # of other samples, on other devices too
            total = total + nn.functional.cross_entropy(outputs.classifier(between), truth)
        assert "unwanted" not in outputs.extra
        return total

    return loss


@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec(
        "consistent",
        build="sharing:consistent",
        needs=("classifier", "angles", "features"),
        views=("drawn", "mirrored", "drawn"),
    )


@ferbench.hookimpl
def ferbench_models():
    for name in ("net", "breaks", "dies", "hungry"):
        yield ferbench.ModelSpec(
            name,
            build=f"sharing:{name}",
            summary="For tests",
            image_size=16,
            channels=1,
            affect=True,
            gives=("features", "classifier", "angles", "unwanted"),
        )
