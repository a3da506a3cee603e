import numpy as np


def right(predictions):
    return predictions.probabilities.argmax(axis=1) == predictions.labels


def builds(predictions, *, power: float = 1.0):
    """An option.

    Args:
        predictions: of samples.
        power: nobody can give it.
    """
    return right(predictions).mean()


def number(predictions):
    return "many"


def in_range(predictions):
    return 100 * right(predictions).mean()


def order_of_samples(predictions):
    weights = np.arange(1, len(predictions) + 1)
    return (right(predictions) * weights).sum() / weights.sum()


def inputs_unchanged(predictions):
    accuracy = right(predictions).mean()
    predictions.probabilities[:] = 0
    return accuracy


class Remembers:
    before = ""


def determinism(predictions):
    key = f"{predictions.probabilities.tobytes()}{predictions.votes is None}"
    again = key == Remembers.before
    Remembers.before = "" if again else key
    return right(predictions).mean() + again


def direction(predictions):
    return 1 - right(predictions).mean()


def few_samples(predictions):
    if len(np.unique(predictions.labels)) < 2:
        raise IndexError("no second class")
    return right(predictions).mean()


def needs(predictions):
    return predictions.votes.sum(axis=1).mean()


def missing_values(predictions):
    return predictions.votes.sum(axis=1).mean()
