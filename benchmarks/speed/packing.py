"""How fast FER2013 is packed, how fast a pack opens, and that memory does not grow with the number of images.

    python benchmarks/speed/packing.py --data /path/to/fer2013

The ten-fold dataset yields the same files ten times under other ids: only the number of images differs.
Memory is the peak of anonymous resident memory (without the page cache) of a fresh process and its children.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from ferbench import Dataset, Fault, Sample
from ferbench.data.pack import open_pack
from ferbench.data.pack_cache import pack_dataset
from ferbench_builtin.datasets.fer2013 import fer2013


class Repeated(Dataset):
    """A dataset, several times over."""

    def __init__(self, dataset: Dataset, times: int) -> None:
        self.class_names = dataset.class_names
        self.channels = dataset.channels
        self.native_size = dataset.native_size
        self._dataset = dataset
        self._times = times

    def source(self) -> Mapping[str, Any]:
        return {**self._dataset.source(), "times": self._times}

    def samples(self) -> Iterator[Sample | Fault]:
        for time_ in range(self._times):
            for item in self._dataset.samples():
                yield replace(item, id=f"{time_}/{item.id}") if isinstance(item, Sample) else item


def anonymous_bytes(process: psutil.Process) -> int:
    """Anonymous resident memory of a process and its children; 0 once they are gone."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            memory = one.memory_info()
            total += memory.rss - memory.shared
    except psutil.Error:
        pass
    return total


def pack_once(data: Path, cache: Path, times: int, workers: int | None) -> None:
    pack_dataset(Repeated(fer2013(data), times), name="fer2013", cache=cache, workers=workers)


def peak_memory(data: Path, times: int, workers: int | None) -> int:
    """Bytes at the peak while a fresh process packs."""
    with tempfile.TemporaryDirectory() as cache:
        process = multiprocessing.get_context("spawn").Process(
            target=pack_once, args=(data, Path(cache), times, workers)
        )
        process.start()
        watched = psutil.Process(process.pid)
        peak = 0
        while process.is_alive():
            peak = max(peak, anonymous_bytes(watched))
            time.sleep(0.02)
        process.join()
        if process.exitcode:
            raise SystemExit(f"packing failed with exit code {process.exitcode}")
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FER2013, in any layout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--no-memory", action="store_true", help="only the times")
    options = parser.parse_args()

    print(f"cores: {os.cpu_count()}, load before: {os.getloadavg()[0]:.1f}")
    packing, processor, opening, again = [], [], [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as cache:
            start, used = time.perf_counter(), time.process_time()
            pack = pack_dataset(fer2013(options.data), name="fer2013", cache=Path(cache), workers=options.workers)
            packing.append(time.perf_counter() - start)
            processor.append(time.process_time() - used)
            for _ in range(5):
                start = time.perf_counter()
                open_pack(pack.path)
                opening.append(time.perf_counter() - start)
            start = time.perf_counter()
            pack_dataset(fer2013(options.data), name="fer2013", cache=Path(cache))
            again.append(time.perf_counter() - start)
    print(f"images: {len(pack):,}")
    print(f"packing: median {statistics.median(packing):.2f} s of {', '.join(f'{s:.2f}' for s in packing)}")
    print(f"processor time of packing: median {statistics.median(processor):.2f} s")
    print(f"opening a pack: median {statistics.median(opening) * 1000:.1f} ms")
    print(f"finding the pack of a known source: median {statistics.median(again):.2f} s")
    if not options.no_memory:
        once, tenfold = (peak_memory(options.data, times, options.workers) for times in (1, 10))
        print(f"peak anonymous memory: {once / 2**20:.1f} MiB once, {tenfold / 2**20:.1f} MiB ten-fold")
        print(f"ratio: {tenfold / once:.3f}")


if __name__ == "__main__":
    main()
