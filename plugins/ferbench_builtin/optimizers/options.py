"""Ranges of the options that optimisers share: wider than anybody trains with."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

Rate = Annotated[float, Interval(gt=0, le=1000)]
Epsilon = Annotated[float, Interval(gt=0, le=100)]
Decay = Annotated[float, Interval(ge=0, le=1000)]
