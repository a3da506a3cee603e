"""How the ranks of a run meet, and how one that ends says so to the others.

They meet in a store that outlives them, since it is with whoever has started them. In it lie

- ``attempt``: a name for what begins when all have met; ``<attempt>/<rank>`` of those that have come, ``<attempt>/go``
  when all have, ``<attempt>/failure``, why a rank has ended, which the first then says, and ``<attempt>/ended`` when it
  is over for all, with what the others are to do;
- ``over``: nothing is left to do; as a value, what whoever started the ranks still has to raise.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ferbench.plugin.guard import leave
from ferbench.training.interruption import numbers
from ferbench.training.rank_messages import Setup, exception_of, failure_of
from ferbench.training.torchrun import Place, is_restarted

if TYPE_CHECKING:
    from torch.distributed import TCPStore

    from ferbench.experiment.plan import Plan
    from ferbench.records.run import Run
    from ferbench.training.loop import Observer
    from ferbench.training.ranks import ConnectedRanks

#: Seconds that the first rank gets to see that another one has failed, which exchanges between GPUs may not show.
_GRACE = 20.0

#: What another rank than the first does when an attempt has ended.
_END, _BEGIN_ANEW = "end", "begin anew"


def store_of(place: Place) -> TCPStore:
    """The store of whoever has started the ranks; without one, the first rank's."""
    from torch.distributed import TCPStore

    from ferbench.training.ranks import PATIENCE

    first = place.index == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(address, port, None, first, PATIENCE, wait_for_workers=False, multi_tenant=True)


def lead(
    setup: Setup, observer_for: Callable[[Run], Observer], place: Place, store: TCPStore, plan: Plan | None = None
) -> Run:
    """`ferbench.training.run.execute` in the first rank; starts again with smaller pieces where memory runs out.

    Args:
        setup: of the run.
        observer_for: gives an observer for a run's first record.
        place: of this rank.
        store: where the ranks meet.
        plan: that the setup makes; None: it has yet to be made.

    Raises:
        PeerLost: another rank has ended, and nobody knows why.
    """
    from ferbench.training.ranks import OutOfMemory, PeerLost
    from ferbench.training.run import execute

    micro_batch = None
    observers: list[Observer] = []

    def observer_of(record: Run) -> Observer:
        if not observers:  # one for the run, however often it starts
            observers.append(observer_for(record))
        return observers[0]

    before = store.get("attempt").decode() if store.check(["attempt"]) else ""
    if not store.check([f"{before}/ended"]) and (failed := _failure(store, before)):  # the first could not say so
        if not isinstance(failed, OutOfMemory):
            raise failed
        micro_batch = (failed.size + 1) // 2
    while True:
        then = _END if place.launched else _BEGIN_ANEW
        name = _meet(store, place, [asdict(setup), micro_batch])
        _watch(place, f"{name}/failure", functools.partial(_end_stuck, store, name), _GRACE)
        try:
            plan = plan or setup.plan()
            ranks = _joined(plan, place, store, name, micro_batch)
            return execute(plan, Path(setup.results), observer_of, ranks)
        except OutOfMemory as error:
            then, micro_batch = _BEGIN_ANEW, (error.size + 1) // 2
        except (KeyboardInterrupt, PeerLost):
            atexit.unregister(_close)  # torchrun may go on
            raise
        finally:
            store.set(f"{name}/ended", then)
            _disconnect()


def serve(place: Place) -> NoReturn:
    """Be another rank than the first: follow it for a run, and end with it.

    Where a user's torchrun has started this process, it then begins anew, for the first rank's next run.
    """
    # What ends a run is for the first rank to hear, which saves it. Until the ranks have met, nothing would be lost.
    waiting = numbers()
    signal.pthread_sigmask(signal.SIG_BLOCK, waiting)  # before other threads begin
    if not place.launched:  # it has the streams of the first
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    try:
        store = store_of(place)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, waiting)
        name, (settings, micro_batch) = _arrive(store, place)
        signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
        _watch(place, f"{name}/ended", lambda: _leave(store.get(f"{name}/ended").decode()))
    except RuntimeError:  # the store is gone, with whoever started this
        leave(1)
    try:
        from ferbench.training.run import follow

        setup = Setup(**settings)
        plan = setup.plan()
        follow(plan, Path(setup.results), _joined(plan, place, store, name, micro_batch))
    except BaseException as error:
        _give_up(error, place, store, name)
    while True:  # the first ends it
        time.sleep(1)


def begin_leading(place: Place) -> None:
    """As the first of the processes that a user's torchrun has started: let the others end with this one."""
    if is_restarted() and store_of(place).check(["over"]):
        sys.exit(1)  # what ended the run before would end it again
    atexit.register(_close, place)


def _failure(store: TCPStore, name: str) -> Exception | None:
    return exception_of(store.get(f"{name}/failure")) if store.check([f"{name}/failure"]) else None


def _end_stuck(store: TCPStore, name: str) -> None:
    if not store.check([f"{name}/ended"]):
        leave(1)


def _close(place: Place) -> None:
    with contextlib.suppress(RuntimeError):  # the store is gone, and so is whoever waits
        store_of(place).set("over", "")


def _meet(store: TCPStore, place: Place, message: Any) -> str:
    name = secrets.token_hex(8)
    store.set("attempt", name)
    others = [f"{name}/{index}" for index in range(1, place.count)]
    while not store.check(others):
        time.sleep(0.05)
    store.set(f"{name}/go", json.dumps([[store.get(other).decode() for other in others], message]))
    return name


def _arrive(store: TCPStore, place: Place) -> tuple[str, Any]:
    """Wait for the first rank; what was left by an attempt that this process had no part in does not count."""
    own, name = secrets.token_hex(8), ""
    while True:
        if store.check(["over"]):
            leave(0)
        if store.check(["attempt"]) and (current := store.get("attempt").decode()) != name:
            name = current
            store.set(f"{name}/{place.index}", own)
        if name and store.check([f"{name}/go"]):
            came, message = json.loads(store.get(f"{name}/go"))
            if own in came:
                return name, message
        time.sleep(0.05)


def _joined(plan: Plan, place: Place, store: TCPStore, name: str, micro_batch: int | None) -> ConnectedRanks:
    from torch.distributed import PrefixStore

    from ferbench.training.ranks import ConnectedRanks
    from ferbench.training.runtime import choose_devices

    recipe = plan.resolved.recipe
    device = choose_devices(recipe.runtime.device, place.count_here)[place.here]
    each = recipe.runtime.threads is None and "OMP_NUM_THREADS" in os.environ and not place.launched
    if place.count == place.count_here:  # on one host nothing has to look for its name, nor listen to others
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")

    cause = functools.partial(_failure, store, name)
    processes = 1 if each else place.count_here
    shared = PrefixStore(name, store)
    shared.set(f"ready/{place.index}", "")
    while not place.index and not shared.check([f"ready/{index}" for index in range(place.count)]):
        if (error := cause()) is not None:
            raise error
        time.sleep(0.05)
    return ConnectedRanks(shared, place.index, place.count, device, micro_batch, processes, cause)


def _watch(place: Place, key: str, then: Callable[[], object], after: float = 0.0) -> None:
    """Do something when a key is in the store, and end with the store."""

    def wait() -> None:
        from ferbench.training.ranks import PATIENCE

        try:
            store_of(place).wait([key], PATIENCE)
            time.sleep(after)
            then()
        except RuntimeError:
            leave(1)

    threading.Thread(target=wait, daemon=True).start()


def _give_up(error: BaseException, place: Place, store: TCPStore, name: str) -> None:
    from ferbench.training.ranks import OutOfMemory, is_lost

    try:
        if not is_lost(error):
            store.compare_set(f"{name}/failure", "", failure_of(error, place))
            _leave(_END if place.launched and not isinstance(error, OutOfMemory) else _BEGIN_ANEW)
        if not store.check([f"{name}/ended"]) and not store.check([f"{name}/failure"]):
            leave(1)
    except RuntimeError:
        leave(1)


def _leave(then: str) -> NoReturn:
    """At once: what is shared with the others need not be taken down in order."""
    if then == _END:
        leave(0)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # so that the others see at once that it has left
    os.execv(sys.executable, sys.orig_argv)


def _disconnect() -> None:
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
    gc.collect()  # before smaller pieces are tried, or the next run is
    torch.cuda.empty_cache()
