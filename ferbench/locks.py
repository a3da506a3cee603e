"""One process at a time, on one host or on several.

A lock is a file ``<name>.lock``, which the operating system locks and gives back when the process ends, and beside it
``<name>.holder.json``, which says who that process is. The second is made exclusively and counts by itself: for people,
and for file systems that have no locks, or do not show one host those of another. On its own machine a process is known
to live or not; elsewhere it counts as long as the time of its file, which it renews, is fresh.

A process may be stopped for so long that another one has taken its place when it goes on (a suspended laptop, a paused
virtual machine). So it looks whether the file is still its own before each change, and makes that through a directory
which whoever takes over removes first: see `ferbench.storage.fenced` and `ferbench.staging`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ferbench.bounded import Damaged, read_file
from ferbench.errors import UserError
from ferbench.holder import Holder, born, read_holder, this_machine, this_process
from ferbench.staging import end_others, make_staging, remove_staging
from ferbench.storage import create_file, fenced, json_bytes, writing

try:
    import fcntl
except ImportError:  # the holder's file alone counts
    fcntl = None  # type: ignore[assignment]

#: Seconds between two renewals of a holder's file, and after which the holder on another host counts as gone.
RENEWAL, LEASE = 15.0, 120.0

#: Seconds in which a lock that is only looked at, or whose holder has yet to say who it is, is tried again.
_PATIENCE = 0.5

#: Seconds in which a file that is made where there are no hard links has no content yet.
_MAKING = 0.3

#: Bytes that a holder's file may have.
_LARGEST = 2**14

#: What the operating system says when another process has its lock; by anything else it has no locks here.
_TAKEN = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}

#: How the name of a claim to a holder's file ends.
_CLAIM = re.compile(r"(?<=\.holder\.json)\.[0-9a-f]{16}\.claim$")

#: The locks of each process (a fork has its parent's as well) and since when it holds them; empty: it is taking it.
_held: dict[tuple[int, str], str] = {}
_held_guard = threading.Lock()


class Held(Exception):
    """Another process holds a lock.

    Attributes:
        holder: that process.
    """

    def __init__(self, holder: Holder) -> None:
        super().__init__(str(holder))
        self.holder = holder


class TakenOver(UserError):
    """Another process has taken a lock over, since this one did not renew it."""


@dataclass
class Hold:
    """A lock that this process has taken.

    Attributes:
        lock: its file.
        what: is locked, in messages.
        since: it holds it, as in `Holder`.
        content: of the holder's file as long as the lock is this process's; None: the disk is full, and there is none.
        renewed: when that was last renewed, by `_uptime`.
        staging: the directory through which this process's changes go; None: nothing is guarded, or the disk is full.
        guarded: the directory that must stay once it is there; None: none.
    """

    lock: Path
    what: str
    since: str
    content: bytes | None
    renewed: float
    staging: Path | None = None
    guarded: Path | None = None
    _was_there: bool = field(init=False, default=False)

    def look(self) -> None:
        """Do nothing as long as the lock is this process's; renew it first when that was not done for long.

        Raises:
            TakenOver: it is not any more.
            UserError: its holder's file cannot be read.
        """
        self._refuse_gone()
        if not self._is_own():
            self._refuse()
        if _uptime() - self.renewed > RENEWAL:  # whoever found it too old has not taken over yet
            self._renew()
            if not self._is_own():
                self._refuse()

    def keep_renewed(self, ended: threading.Event) -> None:
        """Renew until the end, or until another process has taken over."""
        while not ended.wait(RENEWAL):
            try:
                if not self._is_own():
                    return
            except UserError:
                continue
            self._renew()

    def _renew(self) -> None:
        with contextlib.suppress(OSError):
            os.utime(holder_path(self.lock))
            self.renewed = _uptime()

    def _is_own(self) -> bool:
        path = holder_path(self.lock)
        try:
            return self.content is None or _content(path) == self.content
        except OSError as error:
            raise UserError(
                f"cannot read {path}, which says whether {self.what} is still this process's: {error.strerror}",
                "mend the disk or its connection, and give the same command again",
            ) from error

    def _refuse_gone(self) -> None:
        """Refuse to make a directory anew that was there and was taken away, with what was in it."""
        if self.guarded is None:
            return
        if os.path.lexists(self.guarded):
            self._was_there = True
        elif self._was_there:
            raise TakenOver(
                f"{self.what} is gone: {self.guarded} was removed or renamed while this process was at work on it",
                "to go on with it, bring it back to that place and give the same command again; else that begins anew",
            )

    def _refuse(self) -> None:
        other = _holder(self.lock)
        raise TakenOver(
            f"{self.what} was taken over by {other or 'another process, which has ended'}, since this one was not "
            f"heard of for {LEASE:g} seconds",
            "this one has written nothing since; when the other has ended, give the same command again",
        )


@contextlib.contextmanager
def holding(lock: Path, what: str, *, guarded: Path | None = None, frees: bool = False) -> Iterator[Hold]:
    """Hold a lock; what a dead process left behind is taken over.

    Args:
        lock: its file, ``<name>.lock``.
        what: is locked, in messages: ``run 0123456789ab``.
        guarded: nothing changes below this directory once the lock is another process's; beside the lock there is
            a staging directory then.
        frees: this block only removes something, so that it needs no room: on a full disk nobody can take the lock.

    Raises:
        Held: another process holds it (named within a second).
        TakenOver: it was taken over before a write, or before what failed in this block.
        UserError: its directory cannot be written.
    """
    key = _key(lock)
    with _held_guard:
        if key in _held:
            raise Held(_holder(lock) or this_process())
        _held[key] = ""
    ended = threading.Event()
    try:
        with writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            hold, descriptor = _take(lock, what, staged=guarded is not None, frees=frees)
            hold.guarded = None if frees else guarded
        _held[key] = hold.since
        try:
            if hold.content is not None:
                threading.Thread(target=hold.keep_renewed, args=(ended,), daemon=True).start()
            with fenced(guarded, hold.look, hold.staging) if guarded is not None else contextlib.nullcontext():
                yield hold
        except TakenOver:
            raise
        except Exception as error:  # which may be another process's doing: it removes and replaces files
            try:
                hold.look()
            except TakenOver as taken:
                raise taken from error
            except UserError:
                pass
            raise
        finally:
            ended.set()
            _give_back(lock, hold.content, hold.staging)
            os.close(descriptor)
    finally:
        with _held_guard:
            del _held[key]


def holder_of(lock: Path) -> Holder | None:
    """The process that holds a lock; None when nobody does. The directory may be somebody else's."""
    holder = _living(lock)
    if holder is not None:
        return holder
    try:
        descriptor = _system_lock(lock, shared=True)
    except OSError:  # there is none, or it is somebody else's: what the holder says must do
        return None
    if descriptor is None:
        return _living(lock) or Holder()  # one that has yet to say who it is, or never does
    os.close(descriptor)
    return None


def holder_path(lock: Path) -> Path:
    """The file that says who holds a lock."""
    return lock.with_name(f"{lock.name.removesuffix('.lock')}.holder.json")


def is_claim(path: Path) -> bool:
    """Whether a file is what a process makes while it takes a lock over, and leaves when it dies meanwhile."""
    return _CLAIM.search(path.name) is not None


def lock_of(path: Path) -> Path | None:
    """The lock that a path belongs to: itself, its holder's file, a claim to it, its staging; None: to none."""
    name = _CLAIM.sub("", path.name)
    for suffix in (".holder.json", ".staging", ".lock"):
        if name.endswith(suffix):
            return path.with_name(f"{name.removesuffix(suffix)}.lock")
    return None


def _take(lock: Path, what: str, *, staged: bool, frees: bool) -> tuple[Hold, int]:
    """Take a lock.

    Raises:
        Held: another process holds it.
        OSError: its directory cannot be written.
    """
    this = this_process()
    content = json_bytes(asdict(this))
    end = time.monotonic() + _PATIENCE
    while True:
        descriptor = _system_lock(lock)
        if descriptor is None:
            other = _living(lock) or Holder()
        else:
            staging = None
            try:
                staging = make_staging(lock) if staged else None  # before the claim: whoever takes over removes it
                claimed = _claim(lock, content)
                if claimed is None and not _begins(lock, content, staging):
                    claimed, end = Holder(), time.monotonic() + _PATIENCE  # that is mended by trying again
            except BaseException as error:
                _give_back(lock, content, staging)
                full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
                if full and frees and _living(lock) is None:
                    return Hold(lock, what, this.since, None, _uptime()), descriptor
                os.close(descriptor)
                raise
            if claimed is None:
                return Hold(lock, what, this.since, content, _uptime(), staging), descriptor
            other = claimed
            _give_back(lock, content, staging)
            os.close(descriptor)
        if other.host or time.monotonic() > end:
            raise Held(other)
        time.sleep(0.05)


def _begins(lock: Path, own: bytes, staging: Path | None) -> bool:
    """End the changes of all who had the lock before.

    Returns:
        Whether it still is this process's: another one, as it began or ended, may have removed its staging directory or
        its holder's file.
    """
    return staging is None or (end_others(staging) and _content(holder_path(lock)) == own)


def _give_back(lock: Path, own: bytes | None, staging: Path | None) -> None:
    """Give a lock up that may be this process's; what stays behind is seen to be of a process that is gone.

    Args:
        lock: its file.
        own: content of the holder's file; None: the disk was full, and what is there is of a dead process.
        staging: of this process. The holder's file goes there, which cannot be done once another one has taken over.
    """
    holder = holder_path(lock)
    with contextlib.suppress(OSError):
        if own is None or (staging is None and _content(holder) == own):
            holder.unlink(missing_ok=True)
        elif staging is not None and _content(holder) == own:
            holder.rename(staging / holder.name)
    if staging is not None:
        remove_staging(staging)


def _claim(lock: Path, own: bytes) -> Holder | None:
    """Make the holder's file one's own.

    Of those who find that its process is gone, one at a time may replace it: who made the claim to that very content,
    and still finds it there. What counts in the end is whose content it is.

    Returns:
        None: it is. Else the process that holds the lock; one without a name where that is being decided.
    """
    path = holder_path(lock)
    if create_file(path, own) and _content(path) == own:
        return None
    found = _content(path)
    if found == own:  # which was made while another process, as it began, removed this one's staging directory
        return None
    if found is None or (not found and _age(lock, path) < _MAKING):
        return Holder()
    holder = read_holder(found)
    if holder is not None and _may_live(lock, holder):
        return holder
    claim = _claim_path(path, found)
    if not create_file(claim, own):
        claimant = read_holder(_content(claim))
        if not (_may_live(lock, claimant, claim) if claimant else _age(lock, claim) < LEASE):
            claim.unlink(missing_ok=True)
        return Holder()
    if _content(path) != found or (holder is not None and _may_live(lock, holder)):
        claim.unlink(missing_ok=True)
        return Holder()
    with contextlib.suppress(FileNotFoundError):  # it was taken for one of the dead
        os.replace(claim, path)
    return None if _content(path) == own else Holder()


def _key(lock: Path) -> tuple[int, str]:
    return os.getpid(), os.path.abspath(lock)  # noqa: PTH100 - links stay


def _claim_path(holder: Path, content: bytes) -> Path:
    return holder.with_name(f"{holder.name}.{hashlib.sha256(content).hexdigest()[:16]}.claim")


def _system_lock(path: Path, *, shared: bool = False) -> int | None:
    """Have the operating system lock a file, made if need be, unless only to look (``shared``).

    Returns:
        The open file, locked where the file system can; None when another process has the lock.

    Raises:
        OSError: it cannot be opened.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | (os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT), 0o666)
    except PermissionError:
        if shared or not path.exists():
            raise
        descriptor = os.open(path, flags | os.O_RDONLY)  # another user's, in a directory that both may write
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:  # whatever else it says, it has no locks here
        if error.errno in _TAKEN:
            os.close(descriptor)
            return None
    return descriptor


def _content(path: Path) -> bytes | None:
    """What a holder's file has; None: there is none. Nothing where it is no file that ferbench writes.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return read_file(path, largest=_LARGEST)
    except FileNotFoundError:
        return None
    except Damaged:
        return b""


def _holder(lock: Path) -> Holder | None:
    """Whom a holder's file names, alive or not."""
    try:
        return read_holder(_content(holder_path(lock)))
    except OSError:
        return None


def _living(lock: Path) -> Holder | None:
    """Whom a holder's file names, when that process may live."""
    holder = _holder(lock)
    return holder if holder is not None and _may_live(lock, holder) else None


def _may_live(lock: Path, holder: Holder, path: Path | None = None) -> bool:
    """Whether a process may still be at work: certain on this machine, elsewhere while its file is fresh."""
    if holder.machine != this_machine():
        return _age(lock, path or holder_path(lock)) < LEASE
    if holder == this_process(holder.since):
        return _held.get(_key(lock)) == holder.since
    return born(holder.pid) == holder.born


def _age(lock: Path, path: Path) -> float:
    """Seconds since a file was written or renewed, by the clock of the file system; to one of the future as well: that
    clock was put back, and who lives will renew it."""
    try:
        renewed = path.lstat().st_mtime
    except OSError:
        return math.inf
    return abs(_clock(lock) - renewed)


def _clock(lock: Path) -> float:
    """The time that the file system gives to what is written now, which on another host's disk is that host's."""
    try:
        os.utime(lock)
        return lock.stat().st_mtime
    except OSError:
        return time.time()


def _uptime() -> float:
    """Seconds that also pass while the machine is suspended, where it has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
