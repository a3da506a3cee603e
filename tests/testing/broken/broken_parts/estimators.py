import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Means(ClassifierMixin, BaseEstimator):
    """Right: the nearer the mean of a class, the likelier it is."""

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, images, labels, sample_weight=None):
        weights = np.ones(len(labels)) if sample_weight is None else sample_weight
        self.classes_ = np.unique(labels)
        self.means_ = np.stack([images[labels == k].mean(axis=0) for k in self.classes_])
        self.shares_ = np.array([weights[labels == k].sum() for k in self.classes_])
        return self

    def predict_proba(self, images):
        distances = ((images[:, None] - self.means_) ** 2).mean(axis=2)
        raised = np.exp(-20 * distances) * self.shares_
        return raised / raised.sum(axis=1, keepdims=True)


def builds(task, *, seed):
    return object()


class NotOne(Means):
    def predict_proba(self, images):
        return 2 * super().predict_proba(images)


class Unkept(Means):
    def fit(self, images, labels, sample_weight=None):
        self.function_ = lambda: None
        return super().fit(images, labels, sample_weight)


class Writes(Means):
    def predict_proba(self, images):
        given = super().predict_proba(images)
        images += 1.0
        return given


class Drawn(Means):
    def fit(self, images, labels, sample_weight=None):
        super().fit(images, labels, sample_weight)
        self.means_ += 0.01 * np.random.default_rng().random(self.means_.shape)
        return self


class Neighbours(Means):
    def predict_proba(self, images):
        return super().predict_proba(images - 0.2 * images.mean(axis=0))


class Blind(Means):
    def predict_proba(self, images):
        return np.tile(self.shares_ / self.shares_.sum(), (len(images), 1))


class Unweighted(Means):
    def fit(self, images, labels, sample_weight=None):
        return super().fit(images, labels)


class Counts(Means):
    def fit(self, images, labels, sample_weight=None):
        super().fit(images, labels, sample_weight)
        self.classes_ = np.arange(7)
        return self

    def predict_proba(self, images):
        given = super().predict_proba(images)
        return np.pad(given, ((0, 0), (0, 7 - given.shape[1])))


def _of(kind):
    return lambda task, *, seed: kind(seed)


probabilities = _of(NotOne)
kept_without_pickle = _of(Unkept)
inputs_unchanged = _of(Writes)
same_seed = _of(Drawn)
batch_of_one = _of(Neighbours)
learns = _of(Blind)
weights = _of(Unweighted)
fewer_classes = _of(Counts)
