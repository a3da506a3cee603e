"""What jobs are to do, in a file of plain JSON beside their logs.

A results directory may be one that others write into. So the file is believed only where it has the digest that stands
in the command of the job, which a cluster keeps for itself, and the same is true of the recipes that it names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferbench import replace_file
from ferbench_submitit.jobs import FerbenchJob, read_checked

_FILE = "jobs.json"


def write_jobs(jobs: Sequence[FerbenchJob], folder: Path) -> str:
    """Write the list into a folder.

    Returns:
        Its digest.

    Raises:
        UserError: the folder cannot be written.
    """
    content = json.dumps([job.plain() for job in jobs], indent=1).encode()
    replace_file(folder / _FILE, content)
    return hashlib.sha256(content).hexdigest()


def read_job(folder: Path, digest: str, number: int) -> FerbenchJob:
    """One of the jobs of a list.

    Raises:
        UserError: the list is not the one that was submitted.
    """
    listed: list[dict[str, Any]] = json.loads(read_checked(folder / _FILE, digest))
    return FerbenchJob(**listed[number])
