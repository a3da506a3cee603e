"""The ids of a training, computed from what they cover: when it is planned, and again when its record is verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.ids import digest

#: The one field of ``[training]`` that tells the runs of a configuration apart.
SEED = "seed"


def training_id(identity: Mapping[str, Any]) -> str:
    """The id of the weights.

    Args:
        identity: everything that changes them.
    """
    return digest({"kind": "training", **identity})


def config_id(
    identity: Mapping[str, Any], start: Mapping[str, Any] | None = None, teacher: Mapping[str, Any] | None = None
) -> str:
    """The id of the configuration that seeds repeat.

    Args:
        identity: what the training id covers.
        start: the configuration that it starts from, in place of that one run's weights.
        teacher: likewise the configuration that teaches it.
    """
    training = {key: value for key, value in identity["training"].items() if key != SEED}
    started = {} if start is None else {"start": dict(start)}
    if teacher is not None:
        started["teacher"] = dict(teacher)
    return digest({"kind": "configuration", **identity, "training": training, **started})
