"""What light trials (`sleeping`) are of: a space and an objective."""

from __future__ import annotations

from ferbench.tune.objectives import Objective
from ferbench.tune.ranges import Range
from ferbench.tune.space import Dimension, Space

OBJECTIVES = (Objective("accuracy"),)
SPACE = Space({}, (Dimension("model", "x", Range(0.0, 1.0)), Dimension("model", "n", Range(1, 9, whole=True))))
