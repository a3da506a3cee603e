"""No test asks a model hub or reads the user's cache of one, and none waits for threads that it does not need."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    home = tempfile.mkdtemp(prefix="ferbench-transformers-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ["HF_HOME"] = home
    os.environ["HF_HUB_OFFLINE"] = "1"
