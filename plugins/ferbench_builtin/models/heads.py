"""What turns features into classes, valence and arousal."""

from __future__ import annotations

import contextlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import Outputs, Task, UserError


class CosineClassifier(nn.Linear):
    """Logits from the angles between features and classes: their cosines, times a scale.

    Features and the weights of each class are normalised to length 1 (Wang et al., "NormFace", ACM MM 2017; Wang et
    al., "CosFace", CVPR 2018, https://arxiv.org/abs/1801.09414). By CosFace's section 3.3 the scale must be at least
    (K - 1) / K · ln((K - 1) P / (1 - P)) for probabilities of P to be reached, 9.4 for seven classes and P = 0.9999;
    the 64 of face recognition is for tens of thousands of people.

    Args:
        features: D, length of the feature vector.
        classes: K.
        scale: of the logits.
    """

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__(features, classes, bias=False)
        self.scale = scale

    def cosines(self, features: Tensor) -> Tensor:
        """float[N, D] → float32[N, K] in [-1, 1], in full precision: angles near 0 are lost in a lower one."""
        kind = features.device.type
        lowered = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        with torch.autocast(kind, enabled=False) if lowered else contextlib.nullcontext():
            return F.linear(F.normalize(features.float()), F.normalize(self.weight))

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * self.cosines(features)


def classifier(features: int, classes: int, head: str, scale: float) -> nn.Linear:
    """The layer that gives logits float[N, K] of features float[N, D]; ``head`` is "linear" or "cosine"."""
    return CosineClassifier(features, classes, scale) if head == "cosine" else nn.Linear(features, classes)


def classified(
    classifier: nn.Linear, features: Tensor, affect: AffectHead | None, maps: Tensor | None = None
) -> Outputs:
    """What a model returns.

    Args:
        classifier: the layer that gives logits.
        features: float[N, D], what it is given.
        affect: the head for valence and arousal.
        maps: float[N, D, h, w] whose means are the features, but for dropout; None where there are none.
    """
    extra = {} if maps is None else {"maps": maps}
    if isinstance(classifier, CosineClassifier):
        extra["cosine"] = classifier.cosines(features)
        logits = classifier.scale * extra["cosine"]
    else:
        logits = classifier(features)
    return Outputs(logits, None if affect is None else affect(features), features, extra, classifier)


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
        head: "linear", or "cosine" for a `CosineClassifier`.
        scale: of its logits.
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
        head: str = "linear",
        scale: float = 1.0,
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
        self.expression = classifier(features, task.num_classes, head, scale)
        self.affect = affect_head(task, features, wanted=affect)

    def forward(self, features: Tensor, maps: Tensor | None = None) -> Outputs:
        """float[N, F] → ``Outputs``; ``maps`` float[N, F, h, w] are those whose means the features are."""
        return classified(self.expression, self.hidden(features), self.affect, maps)
