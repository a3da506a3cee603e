"""Ranges of the options that losses share; apart from them, for they import torch, and options are checked before."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

#: Share of each target that is spread evenly over the classes.
Smoothing = Annotated[float, Interval(ge=0, lt=1)]

#: Of two parts that add up to 1.
Share = Annotated[float, Interval(ge=0, le=1)]

#: Of probabilities: beyond it nothing is left of them in single precision.
Exponent = Annotated[float, Interval(ge=0, le=100)]
