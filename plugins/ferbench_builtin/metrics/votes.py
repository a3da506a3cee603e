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


def vote_cross_entropy(predictions: Predictions) -> float:
    """Mean over the samples with votes of -Σ q_k ln p_k in nats, q the shares of the votes and p the probabilities; NaN
    where no sample has votes.

    The loss of Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution" (ICMI 2016), as a metric. It is least, and then the entropy of the votes, where
    p = q.

    Args:
        predictions: of samples of which some have votes.
    """
    votes, probabilities = _known(predictions)
    if not len(votes):
        return float("nan")
    return float(-(votes * np.log(np.maximum(probabilities, SMALLEST))).sum(axis=1).mean())


def vote_kl(predictions: Predictions) -> float:
    """Mean over the samples with votes of the Kullback-Leibler divergence of the probabilities from the shares of the
    votes, Σ q_k ln (q_k / p_k), in nats; NaN where no sample has votes.

    Args:
        predictions: of samples of which some have votes.
    """
    votes, _ = _known(predictions)
    return max(0.0, vote_cross_entropy(predictions) - float(_entropy(votes).mean())) if len(votes) else float("nan")


def vote_js(predictions: Predictions) -> float:
    """Mean over the samples with votes of the Jensen-Shannon divergence between probabilities and shares of the votes,
    in nats: 0 where they are the same, ln 2 where they share no class (Lin, "Divergence measures based on the Shannon
    entropy", 1991); NaN where no sample has votes.

    Args:
        predictions: of samples of which some have votes.
    """
    votes, probabilities = _known(predictions)
    if not len(votes):
        return float("nan")
    apart = _entropy((votes + probabilities) / 2) - (_entropy(votes) + _entropy(probabilities)) / 2
    return float(np.clip(apart, 0, np.log(2)).mean())


def vote_top_2(predictions: Predictions) -> float:
    """The share of the samples with votes whose most probable class is one of the two that most annotators voted for,
    or ties with the second; NaN where no sample has votes.

    Args:
        predictions: of samples of which some have votes.
    """
    votes, probabilities = _known(predictions)
    if not len(votes):
        return float("nan")
    second = np.sort(votes, axis=1)[:, -2:].min(axis=1)
    chosen = votes[np.arange(len(votes)), probabilities.argmax(axis=1)]
    return float(((chosen > 0) & (chosen >= second)).mean())


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
