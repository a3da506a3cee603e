"""How well probabilities follow what annotators said, each of them counting."""

from __future__ import annotations

import numpy as np

from ferbench import Predictions

#: Probabilities below this one count as it: a class that is held to be impossible costs much, and not infinitely much.
SMALLEST = 1e-12


def vote_cross_entropy(predictions: Predictions) -> float:
    """Mean over the samples with votes of -Σ q_k ln p_k in nats, q the shares of the votes and p the probabilities; NaN
    where no sample has votes.

    The loss of Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution" (ICMI 2016), as a metric. It is least, and then the entropy of the votes, where
    p = q.

    Args:
        predictions: of samples of which some have votes.
    """
    votes = predictions.votes
    assert votes is not None
    known = ~np.isnan(votes).any(axis=1)
    if not known.any():
        return float("nan")
    log_p = np.log(np.maximum(predictions.probabilities[known], SMALLEST))
    return float(-(votes[known] * log_p).sum(axis=1).mean())
