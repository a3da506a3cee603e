"""No test waits for threads that it does not need."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
