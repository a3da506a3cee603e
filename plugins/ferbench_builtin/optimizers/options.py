"""Ranges of the options that optimisers share: wider than anybody trains with."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

#: To the end of single precision: whoever wants a run to diverge gets that.
Rate = Annotated[float, Interval(gt=0, le=1e38)]
Epsilon = Annotated[float, Interval(gt=0, le=100)]
Decay = Annotated[float, Interval(ge=0, le=1000)]
