"""How well probabilities follow what annotators said, each of them counting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench import Predictions

#: Probabilities below this one count as it: a class that is held to be impossible costs much, and not infinitely much.
SMALLEST = 1e-12


def _known(predictions: Predictions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """float64[m, K] shares of the votes and probabilities, of the samples with votes."""
    votes = predictions.votes
    assert votes is not None
    known = ~np.isnan(votes).any(axis=1)
    return votes[known], predictions.probabilities[known]


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[m], in nats."""
    return -(shares * np.log(np.maximum(shares, SMALLEST))).sum(axis=1)


def vote_cross_entropy(predictions: Predictions) -> NDArray[np.float64]:
    """-Σ q_k ln p_k in nats, float64[n], q the shares of the votes and p the probabilities; NaN of samples without.

    The loss of Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution" (ICMI 2016), as a metric. It is least, and then the entropy of the votes, where
    p = q.

    Args:
        predictions: of samples of which some have votes.
    """
    assert predictions.votes is not None
    return -(predictions.votes * np.log(np.maximum(predictions.probabilities, SMALLEST))).sum(axis=1)


def vote_kl(predictions: Predictions) -> NDArray[np.float64]:
    """The Kullback-Leibler divergence of the probabilities from the shares of the votes, Σ q_k ln (q_k / p_k), in nats,
    float64[n]; NaN of samples without votes.

    Args:
        predictions: of samples of which some have votes.
    """
    assert predictions.votes is not None
    return np.maximum(0.0, vote_cross_entropy(predictions) - _entropy(predictions.votes))


def vote_js(predictions: Predictions) -> NDArray[np.float64]:
    """The Jensen-Shannon divergence between probabilities and shares of the votes, in nats, float64[n]: 0 where they
    are the same, ln 2 where they share no class (Lin, "Divergence measures based on the Shannon entropy", 1991); NaN
    of samples without votes.

    Args:
        predictions: of samples of which some have votes.
    """
    votes, probabilities = predictions.votes, predictions.probabilities
    assert votes is not None
    apart = _entropy((votes + probabilities) / 2) - (_entropy(votes) + _entropy(probabilities)) / 2
    return np.clip(apart, 0, np.log(2))


def vote_top_2(predictions: Predictions) -> NDArray[np.float64]:
    """Whether the most probable class is one of the two that most annotators voted for, or ties with the second,
    float64[n]; NaN of samples without votes.

    Args:
        predictions: of samples of which some have votes.
    """
    votes = predictions.votes
    assert votes is not None
    second = np.sort(votes, axis=1)[:, -2:].min(axis=1)
    chosen = votes[np.arange(len(votes)), predictions.predicted]
    return np.where(np.isnan(votes).any(axis=1), np.nan, (chosen > 0) & (chosen >= second))


def entropy_disagreement(predictions: Predictions) -> float:
    """Spearman's rank correlation, over the samples with votes, of the entropy of the probabilities with that of the
    shares of the votes: whether a model is unsure where people disagree. NaN where one of them is the same everywhere.

    Args:
        predictions: of samples of which some have votes.
    """
    votes, probabilities = _known(predictions)
    people, model = _ranks(_entropy(votes)), _ranks(_entropy(probabilities))
    if len(votes) < 2 or not people.std() or not model.std():
        return float("nan")
    return float(np.clip(np.corrcoef(people, model)[0, 1], -1, 1))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal values have the mean of theirs. Entropies that differ by rounding alone are equal."""
    _, place, counts = np.unique(values.round(12), return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return np.asarray(((2 * ends - counts - 1) / 2)[place])
