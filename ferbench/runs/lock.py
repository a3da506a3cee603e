"""One writer for a run directory: its lock lies beside it, as ``.<run>.lock`` and ``.<run>.holder.json``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ferbench import locks
from ferbench.errors import UserError
from ferbench.holder import Holder, this_machine
from ferbench.locks import LEASE, Held, holder_of, holding
from ferbench.runs.directory import RunDirectory


class AtWork(UserError):
    """Another process is at work on a run."""


@contextlib.contextmanager
def only_writer(directory: RunDirectory, *, to_remove: bool = False) -> Iterator[None]:
    """Keep other processes off a run directory; what a dead process left behind is taken over.

    Args:
        directory: of the run.
        to_remove: nothing is written into it, so that it may have symbolic links in it.

    Raises:
        AtWork: another process holds it (named within a second).
        TakenOver: another process has taken it over while this one was stopped: before a write, or in place of what
            failed since.
        UserError: the results directory cannot be written, or the run directory has symbolic links, through which
            writing would leave it.
    """
    _refuse_links(directory, inside=not to_remove)
    run = f"run {directory.path.name}"
    try:
        with holding(lock_path(directory), run, guarded=directory.path, frees=to_remove):
            yield
    except Held as held:
        raise refusal(run, held.holder) from None
    except BaseException:
        if not directory.path.exists():  # a run that was refused before it began leaves nothing behind
            with contextlib.suppress(OSError):
                lock_path(directory).unlink(missing_ok=True)
        raise


def refusal(run: str, holder: Holder) -> AtWork:
    """The error for a run that another process is at work on; of one elsewhere nobody knows at once that it died."""
    elsewhere = holder.host and holder.machine != this_machine()
    later = f"; if it has died, wait {LEASE / 60:.0f} minutes" if elsewhere else ""
    return AtWork(f"another process is at work on {run}: {holder}", f"wait for it, or stop it, and try again{later}")


def at_work(directory: RunDirectory) -> Holder | None:
    """The process that holds a run directory; None when nobody does. The directory may be somebody else's."""
    return holder_of(lock_path(directory))


def is_held(directory: RunDirectory) -> bool:
    """Whether a process is at work on a run directory."""
    return at_work(directory) is not None


def lock_path(directory: RunDirectory) -> Path:
    """The file that the operating system locks."""
    return directory.path.parent / f".{directory.path.name}.lock"


def holder_path(directory: RunDirectory) -> Path:
    """The file that says who holds the lock."""
    return locks.holder_path(lock_path(directory))


def _refuse_links(directory: RunDirectory, *, inside: bool) -> None:
    """Refuse to write where symbolic links lead elsewhere; ``results`` itself may be one."""
    path = directory.path
    below = (Path(parent, name) for parent, folders, files in os.walk(path) for name in (*folders, *files))
    for entry in (path.parent, path, *(below if inside else ())):
        if entry.is_symlink():
            raise UserError(
                f"{entry} is a symbolic link, and ferbench writes nothing outside the results directory",
                "put what it leads to in its place, or name that place with --results",
            )
