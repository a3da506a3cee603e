"""How the ranks of a run meet, and how one that ends says so to the others.

They meet in a store that outlives them, since it is with whoever has started them. In it lie

- ``attempt``: a name for what begins when all have met; ``<attempt>/<rank>`` of those that have come, ``<attempt>/go``
  when all have, ``<attempt>/failure``, why a rank has ended, which the first then says, and ``<attempt>/ended`` when it
  is over for all, with what the others are to do;
- ``over``: nothing is left to do.
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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed as dist

from ferbench.experiment.plan import Plan
from ferbench.plugin.guard import leave
from ferbench.records.run import Run
from ferbench.training import runtime
from ferbench.training.interruption import numbers
from ferbench.training.observer import Observer
from ferbench.training.rank_messages import exception_of, failure_of
from ferbench.training.ranks import PATIENCE, OutOfMemory, PeerLost, Ranks, is_lost
from ferbench.training.remote import plan_of, preparer_for
from ferbench.training.run import execute, follow
from ferbench.training.torchrun import Place

#: Seconds that the first rank gets to see that another one has failed, which exchanges between GPUs may not show.
_GRACE = 20.0

#: What another rank than the first does when an attempt has ended.
_END, _BEGIN_ANEW = "end", "begin anew"

#: Seconds between two looks into the store.
_LOOK = 0.05


def begin_leading(place: Place) -> None:
    """As the first of the processes that torchrun has started: let the others end with this one."""
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" and _store_of(place).check(["over"]):
        sys.exit(1)  # what ended the run before would end it again
    atexit.register(_close, place)


def lead(
    job: Mapping[str, Any], observer_for: Callable[[Run], Observer], place: Place, plan: Plan | None = None
) -> Run:
    """`ferbench.training.run.execute` in the first rank; starts again with smaller pieces where memory runs out.

    Args:
        job: `ferbench.training.remote.job_of` the run, with ``results`` and ``cache`` (directories) and ``plugins``.
        observer_for: gives an observer for a run's first record.
        place: of this rank.
        plan: of the job; None: it has yet to be made.

    Raises:
        PeerLost: another rank has ended, and nobody knows why.
    """
    store, micro_batch = _store_of(place), None
    observers: list[Observer] = []

    def observer_of(record: Run) -> Observer:  # one for the run, however often it starts
        observers[:] = observers or [observer_for(record)]
        return observers[0]

    before = store.get("attempt").decode() if store.check(["attempt"]) else ""
    if not store.check([f"{before}/ended"]) and (failed := _failure(store, before)):  # the first could not say so
        if not isinstance(failed, OutOfMemory):
            raise failed
        micro_batch = (failed.size + 1) // 2
    while True:
        name, then = meet(store, place, [job, micro_batch]), _END if place.launched else _BEGIN_ANEW
        _watch(place, f"{name}/failure", functools.partial(_end_stuck, store, name), _GRACE)
        try:
            plan = plan or plan_of(job, preparer_for(job))
            return execute(plan, Path(job["results"]), observer_of, _joined(plan, place, store, name, micro_batch))
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
    try:
        store = _store_of(place)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers())  # until the ranks have met, nothing would be lost
        name, (job, micro_batch) = arrive(store, place)
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers())
        _watch(place, f"{name}/ended", lambda: _leave(store.get(f"{name}/ended").decode()))
        try:
            plan = plan_of(job, preparer_for(job))
            follow(plan, Path(job["results"]), _joined(plan, place, store, name, micro_batch))
        except BaseException as error:
            _give_up(error, place, store, name)
    except RuntimeError:  # the store is gone, with whoever started this
        leave(1)
    while True:  # the first ends it
        time.sleep(1)


def meet(store: dist.Store, place: Place, message: Any) -> str:
    """As the first, wait for the others, and give them a message.

    Returns:
        The name of what begins.
    """
    name = secrets.token_hex(8)
    store.set("attempt", name)
    _wait_for_others(store, place, name, "")
    store.set(f"{name}/go", json.dumps(message))
    return name


def arrive(store: dist.Store, place: Place) -> tuple[str, Any]:
    """As another, wait for the first; an attempt that has begun, without this process, does not count.

    Returns:
        The name of what begins, and the first's message.
    """
    name = ""
    while not name or not store.check([f"{name}/go"]):
        if store.check(["over"]):
            leave(0)
        current = store.get("attempt").decode() if store.check(["attempt"]) else name
        if current != name and not store.check([f"{current}/go"]):
            name = current
            store.set(f"{name}/{place.index}", "")
        time.sleep(_LOOK)
    return name, json.loads(store.get(f"{name}/go"))


def _wait_for_others(store: dist.Store, place: Place, name: str, key: str) -> None:
    while not store.check([f"{name}/{key}{index}" for index in range(1, place.count)]):
        if (error := _failure(store, name)) is not None:
            raise error
        time.sleep(_LOOK)


def _store_of(place: Place) -> dist.TCPStore:
    """The store of whoever has started the ranks; without one, the first rank's."""
    first = place.index == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return dist.TCPStore(address, port, None, first, PATIENCE, wait_for_workers=False, multi_tenant=True)


def _failure(store: dist.Store, name: str) -> Exception | None:
    return exception_of(json.loads(store.get(f"{name}/failure"))) if store.check([f"{name}/failure"]) else None


def _end_stuck(store: dist.Store, name: str) -> None:
    if not store.check([f"{name}/ended"]):
        leave(1)


def _close(place: Place) -> None:
    with contextlib.suppress(RuntimeError):  # the store is gone, and so is whoever waits
        _store_of(place).set("over", "")


def _joined(plan: Plan, place: Place, store: dist.Store, name: str, micro_batch: int | None) -> Ranks:
    recipe = plan.resolved.recipe
    device = runtime.choose_devices(recipe.runtime.device, place.count_here)[place.here]
    each = recipe.runtime.threads is None and "OMP_NUM_THREADS" in os.environ and not place.launched
    threads, processes = recipe.runtime.threads, 1 if each else place.count_here
    runtime.prepare(device, threads, recipe.training.deterministic, processes)
    if place.count == place.count_here:  # on one host nothing has to look for its name, nor listen to others
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    store.set(f"{name}/ready/{place.index}", "")
    if not place.index:
        _wait_for_others(store, place, name, "ready/")
    shared = dist.PrefixStore(name, store)
    return Ranks(shared, place.index, place.count, device, micro_batch, lambda: _failure(store, name))


def _watch(place: Place, key: str, then: Callable[[], object], after: float = 0.0) -> None:
    """Do something when a key is in the store, and end with the store."""

    def wait() -> None:
        try:
            _store_of(place).wait([key])
            time.sleep(after)
            then()
        except RuntimeError:
            leave(1)

    threading.Thread(target=wait, daemon=True).start()


def _give_up(error: BaseException, place: Place, store: dist.Store, name: str) -> None:
    if not is_lost(error):
        store.compare_set(f"{name}/failure", "", json.dumps(failure_of(error, place)))
        _leave(_END if place.launched and not isinstance(error, OutOfMemory) else _BEGIN_ANEW)
    if not store.check([f"{name}/ended"]) and not store.check([f"{name}/failure"]):
        leave(1)


def _leave(then: str) -> NoReturn:
    """At once: what is shared with the others need not be taken down in order."""
    if then == _END:
        leave(0)
    # So that the others see at once that it has left; closed now, what other threads use would end the process.
    for descriptor in [int(each.name) for each in Path("/dev/fd").iterdir()]:
        with contextlib.suppress(OSError):
            os.set_inheritable(descriptor, descriptor < 3)
    os.execv(sys.executable, sys.orig_argv)


def _disconnect() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
    gc.collect()  # before smaller pieces are tried, or the next run is
    torch.cuda.empty_cache()
