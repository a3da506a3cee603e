"""What light trials (`sleeping`) are of: a space and an objective."""

from __future__ import annotations

from ferbench.tuning.objectives import Objective
from ferbench.tuning.ranges import Range
from ferbench.tuning.space import Dimension, Space

OBJECTIVES = (Objective("accuracy"),)
SPACE = Space({}, (Dimension("model", "x", Range(0.0, 1.0)), Dimension("model", "n", Range(1, 9, whole=True))))
