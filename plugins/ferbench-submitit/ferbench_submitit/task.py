"""``python -m ferbench_submitit.task FOLDER DIGEST [NUMBER]``: what a job runs, in place of submitit's own pickles."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import JobPaths

from ferbench import UserError, replace_file
from ferbench_submitit.job_list import read_job
from ferbench_submitit.jobs import Submission


class TaskPaths(JobPaths):
    """Where a job's files are; those that submitit keeps as pickles hold a number each."""

    @property
    def submitted_pickle(self) -> Path:
        return self._format_id(self.folder / "%j_requeues.json")

    @property
    def result_pickle(self) -> Path:
        return self._format_id(self.folder / "%j_%t_result.json")


def read_number(path: Path) -> int | None:
    """The number that a file holds; None where it holds none, or is not there."""
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            number = json.loads(file.read(64))
    except (OSError, ValueError):
        return None
    return number if type(number) is int and abs(number) < 2**31 else None


def command(python: str, folder: Path, digest: str, minutes: float, requeues: int, number: int | None = None) -> str:
    """The command of a job, or of an array of jobs, for a shell.

    Args:
        python: the interpreter, quoted.
        folder: of the list of jobs.
        digest: of that list.
        minutes: that a job may take.
        requeues: how often it may run out of time.
        number: of the job in the list; None: its place in the array.
    """
    given = [str(folder), digest, str(minutes), str(requeues), *([] if number is None else [str(number)])]
    # -P: as with `ferbench` itself, the working directory, where others may write, is not searched for modules.
    return f"{python} -P -u -m {__name__} {shlex.join(given)}"


def run(folder: Path, digest: str, minutes: float, requeues: int, number: int | None = None) -> int:
    """Do a job; its exit code."""
    os.environ["SUBMITIT_FOLDER"] = str(folder)
    environment = JobEnvironment()
    paths = TaskPaths(folder, environment.job_id, environment.global_rank)
    paths.result_pickle.unlink(missing_ok=True)  # of another process that had this number
    code = 1
    try:
        place = number if number is not None else int(environment.array_task_id or 0)
        submission = Submission(read_job(folder, digest, place))
        left = read_number(paths.submitted_pickle)
        submission.set_timeout(minutes, requeues if left is None else max(0, min(left, requeues)))  # type: ignore[arg-type]
        environment._handle_signals(paths, submission)
        code = int(submission.result())
    except UserError as error:
        print(f"error: {error.message}\n  → {error.remedy}", file=sys.stderr)
    except Exception as error:  # also what submitit raises in its handler, to end a job that may not queue again
        print(f"error: {error}", file=sys.stderr)
    replace_file(paths.result_pickle, json.dumps(code).encode())
    return code


def main(arguments: Sequence[str]) -> None:
    """What ``python -m`` calls."""
    folder, digest, minutes, requeues, *number = arguments
    sys.exit(run(Path(folder), digest, float(minutes), int(requeues), int(number[0]) if number else None))


if __name__ == "__main__":
    main(sys.argv[1:])
