"""Evaluation of a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from test_loop import training
from torch import nn

from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.data.targets import LossValue, Outputs
from ferbench.data.views import VIEWS
from ferbench.metrics.scoring import scores_record
from ferbench.training.evaluation import evaluate
from ferbench.training.loop import fit
from ferbench.training.observer import Observer

CLASSES = ("left", "right")


class Sides(nn.Module):
    """Logits and affect from the mean brightness of the left and the right half."""

    def forward(self, images: torch.Tensor) -> Outputs:
        half = images.shape[-1] // 2
        sides = torch.stack([images[..., :half].mean((1, 2, 3)), images[..., half:].mean((1, 2, 3))], dim=1)
        return Outputs(4 * sides, sides)


def split(affect=None) -> Batches:
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 8)).astype(np.uint8)
    labels = (np.arange(10) % 2).astype(np.int64)
    shape = InputShape(1, (8, 8), (0.0,), (1.0,))
    return Batches(images, np.arange(10), Truth(labels, affect=affect), shape, torch.device("cpu"))


def loss(outputs, targets):
    return nn.functional.cross_entropy(outputs.logits, targets.labels)


def test_views_average_probabilities_and_affect():
    plain = evaluate(Sides(), split(), 2, loss, 4)
    both = evaluate(Sides(), split(), 2, loss, 4, VIEWS["flip"])
    # The mirror image swaps the sides, so the mean of both has no preference.
    np.testing.assert_allclose(both.probabilities, 0.5, atol=1e-6)
    np.testing.assert_allclose(both.affect, plain.affect.mean(axis=1, keepdims=True).repeat(2, axis=1), atol=1e-6)
    assert both.loss == pytest.approx(np.log(2))
    assert plain.loss != pytest.approx(np.log(2), abs=1e-3)


def test_of_unlike_views_the_probabilities_are_averaged_and_not_the_logits():
    class Sure(Sides):
        def forward(self, images: torch.Tensor) -> Outputs:
            outputs = super().forward(images)
            return Outputs(10 * outputs.logits + torch.tensor([2.0, 0.0]), outputs.affect)

    views = VIEWS["ten-crop"]
    single = [evaluate(Sure(), split(), 2, None, 4, (view,)) for view in views]
    found = evaluate(Sure(), split(), 2, loss, 4, views)
    mean = np.mean([one.probabilities for one in single], axis=0)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-6)
    np.testing.assert_allclose(found.affect, np.mean([one.affect for one in single], axis=0), atol=1e-6)
    logits = np.mean([np.log(one.probabilities) for one in single], axis=0)
    of_logits = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(of_logits - mean).max() > 0.01
    assert found.loss == pytest.approx(log_loss(found.truth, mean, labels=[0, 1]), rel=1e-5)


@pytest.mark.parametrize("batch_size", [3, 4, 9])
def test_a_last_batch_that_is_smaller_counts_less(batch_size):
    def two(outputs, targets):
        total = loss(outputs, targets)
        return LossValue(total, {"logits": outputs.logits.mean()})

    whole, parts = (evaluate(Sides(), split(), 2, two, size) for size in (10, batch_size))
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert parts.components["logits"] == pytest.approx(whole.components["logits"], rel=1e-6)
    assert whole.loss == pytest.approx(log_loss(whole.truth, whole.probabilities), rel=1e-5)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-6)


def test_without_annotation_there_are_no_scores_of_affect():
    result = evaluate(Sides(), split(), 2, loss, 4)
    record = scores_record(result.truth, result.probabilities, CLASSES, affect_truth=None, affect=result.affect)
    assert not [name for name in record["metrics"] if name.startswith(("valence", "arousal"))]


def test_every_epoch_has_the_cheap_scores_and_the_end_all():
    affect = np.random.default_rng(1).uniform(-1, 1, (10, 2)).astype(np.float32)
    evaluation = evaluate(Sides(), split(affect), 2, loss, 4)
    cheap = {"kappa", "alpha", "top2_accuracy", "log_loss", "valence_rmse", "arousal_ccc"}
    assert cheap <= set(evaluation.summary())
    assert "valence_mae" not in evaluation.summary()
    record = scores_record(
        evaluation.truth, evaluation.probabilities, CLASSES, affect_truth=affect, affect=evaluation.affect
    )
    assert cheap | {"roc_auc", "pr_auc", "valence_mae", "valence_n", "arousal_sagr"} <= set(record["metrics"])
    assert {"roc_auc", "pr_auc", "f1"} <= set(record["per_class"]["left"])
    # Two classes: the rest of one is the other, so both have the same ROC curve.
    assert record["per_class"]["left"]["roc_auc"] == pytest.approx(record["metrics"]["roc_auc"])


class Dropping(nn.Module):
    """Cross-entropy of what is left of the logits, with a part that never learns."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.frozen = nn.Dropout(0.5).eval()
        self.modes: list[bool] = []

    def forward(self, outputs, targets):
        self.modes.append(self.training)
        return nn.functional.cross_entropy(self.frozen(self.drop(outputs.logits)), targets.labels)


def test_a_loss_is_in_evaluation_mode_where_nothing_is_learnt_and_then_in_its_own_again():
    dropping = Dropping()
    found = evaluate(Sides(), split(), 2, dropping, 4)
    assert found.loss == pytest.approx(evaluate(Sides(), split(), 2, loss, 4).loss)
    assert set(dropping.modes) == {False}
    assert (dropping.training, dropping.drop.training, dropping.frozen.training) == (True, True, False)


def test_a_loss_has_its_mode_back_where_evaluation_is_ended():
    def stop() -> None:
        raise KeyboardInterrupt

    dropping = Dropping()
    with pytest.raises(KeyboardInterrupt):
        evaluate(Sides(), split(), 2, dropping, 4, before_batch=stop)
    assert dropping.drop.training


def test_a_loss_learns_in_training_mode_in_every_epoch():
    job = training(epochs=2, loss=Dropping())
    fit(job, Observer())
    epoch = [True] * 4 + [False]  # of 50 samples in batches of 16, and 20 to validate on
    assert job.loss.modes == epoch * 2
