"""``python -m ferbench.training.rank_process``: a rank of a run that ferbench has started torchrun for."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from ferbench import display, startup
from ferbench.training.rank_meeting import lead, serve, store_of
from ferbench.training.rank_messages import Setup, failure_of
from ferbench.training.torchrun import place, quieten

if TYPE_CHECKING:
    from torch.distributed import TCPStore

    from ferbench.training.loop import Observer

#: Seconds between two batches that are reported.
_INTERVAL = 0.1


def main() -> None:
    """Be the rank that torchrun says; what the first is to do, and how it ended, is in the store."""
    startup.begin()
    display.watch()
    display.keep_working()
    quieten()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    this = place()
    assert this is not None
    if this.index:
        serve(this)
    store, over = store_of(this), ""
    if store.check(["over"]):
        return
    try:
        setup = Setup(**json.loads(store.get("setup")))
        lead(setup, lambda record: reporting(store), this, store)
    except KeyboardInterrupt as error:
        sys.exit(128 + getattr(error, "signal", signal.SIGINT))
    except BaseException as error:
        from ferbench.training.ranks import PeerLost

        if isinstance(error, PeerLost):
            sys.exit(1)
        over = failure_of(error, this)
    store.set("over", over)


def reporting(store: TCPStore) -> Observer:
    """An observer that leaves what it is called with in the store, for `pass_on`."""
    from ferbench.records.epoch import Epoch
    from ferbench.training.loop import Observer
    from ferbench.training.position import Position

    class Reporting(Observer):
        reported = 0.0

        def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
            now = time.monotonic()
            if now - self.reported >= _INTERVAL or images == total:
                self.reported = now
                report("batch_done", epoch, images, total, loss)

        def epoch_ended(self, epoch: Epoch) -> None:
            report("epoch_ended", epoch.plain())

        def resumed(self, at: Position) -> None:
            report("resumed", at.epoch, at.batches)

        def stopped(self, epoch: int, reason: str) -> None:
            report("stopped", epoch, reason)

    def report(*values: Any) -> None:
        store.set(f"report/{store.add('reports', 1)}", json.dumps(values))

    report("started")
    return Reporting()


if __name__ == "__main__":
    main()
