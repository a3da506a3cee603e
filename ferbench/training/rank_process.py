"""``python -m ferbench.training.rank_process JOB COUNT``: torchrun for a run of ferbench's own, and each rank of it.

All end with whoever has started torchrun. To it go, as lines of JSON on standard output, what the first rank's
observer is called with, ``over`` with its failure or null, and where a process has left no word ``ended`` with its
number, its exit code and its last line.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from ferbench import display, startup
from ferbench.training.interruption import numbers
from ferbench.training.torchrun import ROLE, Place, place, take_part

#: How often a process may be killed, or die otherwise without a word, before its run fails.
RESTARTS = 3

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Be torchrun, or the rank that it says."""
    startup.begin()
    if (this := place()) is None:
        _start(sys.argv[1], int(sys.argv[2]))
        return
    told = os.fdopen(os.dup(1), "w")  # which no process has that is started in turn
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    display.watch()
    display.keep_working()
    if sys.platform == "linux":  # even one that is stopped is not to outlive torchrun
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    take_part(this)
    _lead(Path(sys.argv[1]), this, told)


def _tell(told: TextIO, message: Sequence[Any]) -> None:
    with contextlib.suppress(OSError):  # nobody is there any more
        print(json.dumps(message), file=told, flush=True)


def _lead(job: Path, this: Place, told: TextIO) -> None:
    from ferbench.training.rank_meeting import lead
    from ferbench.training.rank_messages import failure_of
    from ferbench.training.ranks import PeerLost
    from ferbench.training.remote import Telling

    failure = None
    try:
        lead(json.loads(job.read_text(encoding="utf-8")), lambda record: Telling(functools.partial(_tell, told)), this)
    except KeyboardInterrupt as error:
        sys.exit(128 + getattr(error, "signal", signal.SIGINT))
    except PeerLost:
        sys.exit(1)  # torchrun starts all anew
    except BaseException as error:
        failure = failure_of(error, this)
    _tell(told, ["over", failure])


def _start(job: str, count: int) -> None:
    for number in numbers():
        signal.signal(number, signal.SIG_DFL)  # until ranks are there, nothing is lost
    threading.Thread(target=_end_with_input, daemon=True).start()
    from torch.distributed import TCPStore
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable()  # what torchrun says of processes that end is for its own users
    host, logs = "127.0.0.1", Path(job).parent
    listening = socket.create_server((host, 0))  # torch's own would listen to other hosts too
    port = listening.getsockname()[1]
    store = TCPStore(
        host, port, is_master=True, wait_for_workers=False, multi_tenant=True, master_listen_fd=listening.detach()
    )
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        # The first rank's trackers and warnings are the command's.
        logs_specs=DefaultLogsSpecs(str(logs), redirects=dict.fromkeys(range(1, count), Std.ALL)),
        run_id=ROLE,
        role=ROLE,
        rdzv_endpoint=f"{host}:{port}",
        rdzv_backend="static",
        rdzv_configs={"rank": 0},
        max_restarts=RESTARTS,
        signals_to_handle=",".join(signal.Signals(number).name for number in numbers()),
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "ferbench.training.rank_process", job)
    except ChildFailedError as error:  # where one has ended, the others have lost it, with exit code 1
        ended = min(error.failures.values(), key=lambda one: (one.exitcode == 1, one.timestamp))
        said = [log.read_text(errors="replace") for log in logs.glob(f"*/attempt_*/{ended.local_rank}/stderr.log")]
        _tell(sys.stdout, ["ended", ended.local_rank, ended.exitcode, *"".join(said).strip().splitlines()[-1:]])
    except SignalException:
        pass
    del store


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
