"""What turns features into classes, valence and arousal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench import Outputs, Task, UserError


class AffectHead(nn.Module):
    """Valence and arousal from features, by one linear layer and tanh.

    Tanh keeps every prediction within [-1, 1], where the labels are; labels seldom come near the ends, where tanh
    would learn slowly.

    Args:
        features: F, length of the feature vector.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2)

    def forward(self, features: Tensor) -> Tensor:
        """float[N, F] → float[N, 2] in [-1, 1], valence first."""
        return torch.tanh(self.linear(features))


def affect_head(task: Task, features: int, *, wanted: bool) -> AffectHead | None:
    """The head for valence and arousal, None where it is not wanted.

    Raises:
        UserError: it is wanted for a task without such labels.
    """
    if not wanted:
        return None
    if not task.has_affect:
        raise UserError(
            "model.affect = true: the dataset has no valence and arousal to learn from",
            "leave model.affect out, or choose a dataset with these labels",
        )
    return AffectHead(features)


class Heads(nn.Module):
    """Dense hidden layers if any, dropout, and a linear layer for the classes, beside it one for valence and arousal.

    Args:
        features: F, length of the feature vector.
        task: the learning problem.
        dropout: fraction of activations dropped after each hidden layer, or of the features where there is none,
            while training.
        affect: whether there is a head for valence and arousal.
        hidden: units of each hidden layer; ReLU and dropout follow it.
        normalized: a batch norm stands between each hidden layer and its ReLU.
    """

    def __init__(
        self,
        features: int,
        task: Task,
        *,
        dropout: float,
        affect: bool,
        hidden: tuple[int, ...] = (),
        normalized: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [] if hidden else [nn.Dropout(dropout)]
        for units in hidden:
            layers.append(nn.Linear(features, units, bias=not normalized))
            if normalized:
                layers.append(nn.BatchNorm1d(units))
            layers += [nn.ReLU(inplace=True), nn.Dropout(dropout)]
            features = units
        self.hidden = nn.Sequential(*layers)
        self.expression = nn.Linear(features, task.num_classes)
        self.affect = affect_head(task, features, wanted=affect)

    def forward(self, features: Tensor) -> Outputs:
        """float[N, F] → ``Outputs`` with logits float[N, K] and affect float[N, 2] or None."""
        features = self.hidden(features)
        return Outputs(self.expression(features), None if self.affect is None else self.affect(features))
