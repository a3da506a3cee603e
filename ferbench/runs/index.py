"""Summaries of all runs, fast: kept in a file beside the runs, where reading every ``run.json`` takes long.

The run directories stay the only truth. The file is a cache: it may be removed at any time, and an entry is believed
only while the inode, size and times of its ``run.json`` are what they were when it was read. A file system's clock is
coarse, so two changes within one tick look alike: a record that changed just before it was read is not kept until it
has aged.

pydantic's reader and writer of JSON are used for their speed: two and eight times that of the standard library here.
The file is a line about itself, a line of JSON, and the numbers of all scores as they lie in memory.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import math
import os
import sys
import time
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any

import pydantic_core

from ferbench.bounded import LARGEST, Damaged, from_json, opened, read_file, refuse_deep
from ferbench.errors import UserError
from ferbench.runs.summary import DAMAGED, SUMMARY_VERSION, DataSummary, Scores, Summary, summarise
from ferbench.storage import replace_file

INDEX_FILE = ".index.json"

#: The second number rises with the layout of the file; numbers lie in the order of bytes that the machine has.
_VERSION = [SUMMARY_VERSION, 4, sys.byteorder]
_RACY_NS = 2_000_000_000

# Bytes of the file, and values in it: those of half a million runs. Of more, every record is read again.
_LARGEST, _MOST = 2**30, 2**24

#: What a file system says of a file: inode, size, times of its content and of itself in ns.
_Mark = tuple[int, int, int, int]


#: What fields of these types may hold in the file; ``data`` and ``settings`` of a summary are places among the shared.
_ACCEPTED: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "str | None": (str, NoneType),
    "int": int,
    "bool": bool,
    "int | None": (int, NoneType),
    "float | None": (float, int, NoneType),
    "dict[str, Any]": dict,
    "list[str]": list,
    "DataSummary | None": (list, NoneType),
}

#: Of a `Summary`, as an entry has them: the run is the entry's key, and its scores come after.
_FIELDS = [field.name for field in fields(Summary)][1:-1]
_DATA, _SETTINGS = _FIELDS.index("data"), _FIELDS.index("settings")
_FIELD_TYPES = [
    int if field.name in ("data", "settings") else _ACCEPTED[str(field.type)] for field in fields(Summary)[1:-1]
]
_SCORES_TYPES = [_ACCEPTED[str(field.type)] for field in fields(Scores) if field.name != "values"]
_SCORES_DATA = [field.name for field in fields(Scores)][3:].index("data")
_TEXT = (str, NoneType)
_DATA_TYPES = (_TEXT, _TEXT, bool, list, _TEXT, bool, (int, NoneType), str)


@dataclass(slots=True)
class _Entry:
    mark: _Mark
    summary: Summary


def summaries(results: Path) -> list[Summary]:
    """The summary of every run directory with a record, by name; what cannot be read is ``damaged``.

    Reads again what changed since the last call, and rewrites the index when that was anything. A results directory
    that cannot be written is read all the same.
    """
    path, runs = results / INDEX_FILE, results / "runs"
    with _uncollected():
        known = _load(path)
        listed: list[Summary] = []
        kept: dict[str, _Entry] = {}
        shared = _Shared()
        changed = False
        for name, mark in _records(runs):
            entry = known.get(name)
            if entry is None or entry.mark != mark:
                summary, mark_read = _read(runs, name)
                summary.settings = shared.same(summary.settings)
                if mark_read is None:
                    listed.append(summary)
                    continue
                entry = _Entry(mark_read, summary)
                changed = True
            kept[name] = entry
            listed.append(entry.summary)
        if changed or len(kept) != len(known):
            _save(path, kept)
    for summary in listed:
        if summary.plugin_metrics:
            summary.announce()
    return listed


def forget(results: Path, run: str) -> None:
    """Drop a run that is no longer there."""
    path = results / INDEX_FILE
    known = _load(path)
    if known.pop(run, None) is not None:
        _save(path, known)


def state(results: Path) -> str:
    """``absent``, ``damaged`` (or of another release), or ``whole``."""
    path = results / INDEX_FILE
    if not path.exists():
        return "absent"
    return "whole" if _load(path) or _is_empty(path) else "damaged"


def _is_empty(path: Path) -> bool:
    """Whether an index is whole and has no runs."""
    try:
        document, _ = _parts(path)
        return document["runs"] == {}
    except (OSError, ValueError, TypeError, KeyError):
        return False


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would walk through all that was read again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _records(runs: Path) -> Iterator[tuple[str, _Mark]]:
    """Run directories with a record, by name, and the marks of their records."""
    try:
        with os.scandir(runs) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        try:
            yield name, _mark(os.lstat(f"{runs}/{name}/run.json"))
        except OSError:
            continue


def _mark(status: os.stat_result) -> _Mark:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(runs: Path, name: str) -> tuple[Summary, _Mark | None]:
    """A summary from its record, and the mark of the file it stands for; None when it must be read again next time."""
    from ferbench.records.reading import read_run  # with pydantic, which an index alone does without

    now, path = time.time_ns(), runs / name / "run.json"
    mark = None
    try:
        with opened(path, largest=LARGEST) as file:
            before = _mark(os.fstat(file.fileno()))
            content = file.read()
            if max(before[2], before[3]) < now - _RACY_NS and before == _mark(os.fstat(file.fileno())):
                mark = before
    except Damaged as error:
        return Summary(name, DAMAGED, reason=f"{path} is damaged: {error}"), None
    except OSError as error:
        return Summary(name, DAMAGED, reason=f"cannot read {path}: {error.strerror}"), None
    try:
        return summarise(name, read_run(content, path)), mark
    except UserError as error:
        return Summary(name, DAMAGED, reason=error.message), mark


def _load(path: Path) -> dict[str, _Entry]:
    """The entries of an index; none when there is no index, or one that is damaged or of another version."""
    try:
        document, numbers = _parts(path)
        shared, entries, data = document["shared"], {}, dict[int, DataSummary]()
        refuse_deep(shared)  # all that a record says freely, but for the options of tests
        for name, (mark, values, scores) in document["runs"].items():
            _check(values, _FIELD_TYPES)
            summary = Summary(name, *values)
            place, settings = values[_DATA], values[_SETTINGS]
            if place not in data:
                data[place] = _data(shared[place])
            summary.data, summary.settings = data[place], shared[settings]
            _check((summary.settings,), (dict,))
            if summary.parents:
                _check(summary.parents, [str] * len(summary.parents))
            for rows, n, keys, start, end, *about in scores:
                _check((rows, n, *about), _SCORES_TYPES)
                of_test = Scores(rows, n, dict(zip(shared[keys], numbers[start:end], strict=True)), *about)
                if of_test.options:
                    refuse_deep(of_test.options)
                if (on := about[_SCORES_DATA]) is not None:
                    of_test.data = _data(on)
                summary.scores.append(of_test)
            entries[name] = _Entry(tuple(mark), summary)
        return entries
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return {}


def _parts(path: Path) -> tuple[dict[str, Any], list[float]]:
    """The document of an index and the numbers of all scores.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of another version.
    """
    head, _, rest = read_file(path, largest=_LARGEST).partition(b"\n")
    if from_json(head) != {"version": _VERSION, "crc32": zlib.crc32(rest)}:
        raise ValueError("another version, or damaged")
    body, _, rest = rest.partition(b"\n")
    numbers = array("d", rest).tolist()
    if not math.isfinite(sum(numbers)):
        raise ValueError("scores that are no numbers")
    return from_json(body, most=_MOST, deep=True), numbers


def _check(values: Sequence[Any], types: Sequence[Any]) -> None:
    """Refuse values of other types; whoever made up an index knows how to make up its checksum."""
    if len(values) != len(types) or not all(map(isinstance, values, types)):
        raise ValueError("of another type")


def _data(values: Any) -> DataSummary:
    """What a summary, or scores on other data, say of the data."""
    _check(values, _DATA_TYPES)
    dataset, protocol, synthetic, class_names, *more = values
    _check(class_names, [str] * len(class_names))
    return DataSummary(dataset, protocol, synthetic, tuple(class_names), *more)


class _Shared:
    """Values that runs have in common, each kept once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[bytes, int] = {}

    def place(self, value: Any) -> int:
        """Where a value stands in ``values``."""
        # Version 2 of the format says the same of equal values, whoever else refers to them.
        place = self._places.setdefault(marshal.dumps(value, 2), len(self.values))
        if place == len(self.values):
            self.values.append(value)
        return place

    def same(self, value: Any) -> Any:
        """The value that stands for all its equals."""
        return self.values[self.place(value)]


def _stored(scores: Scores, shared: _Shared, numbers: array[float]) -> list[Any]:
    """Scores as the index has them; their numbers are put to those of all."""
    start = len(numbers)
    numbers.extend(scores.values.values())
    keys = shared.place(list(scores.values))
    about = [getattr(scores, field.name) for field in fields(Scores)[3:]]
    return [scores.rows, scores.n, keys, start, len(numbers), *about]


def _save(path: Path, entries: dict[str, _Entry]) -> None:
    """Write an index. What runs have in common, such as the settings of one configuration, is written once."""
    shared, numbers = _Shared(), array("d")
    runs = {}
    for name, entry in entries.items():
        summary = entry.summary
        values = [getattr(summary, key) for key in _FIELDS]
        values[_DATA], values[_SETTINGS] = shared.place(tuple(summary.data)), shared.place(summary.settings)
        tests = [_stored(scores, shared, numbers) for scores in summary.scores]
        runs[name] = [entry.mark, values, tests]
    # Somebody else's results, a full disk, or a directory whose name is no text: the next call reads the runs again.
    with contextlib.suppress(UserError, ValueError):
        body = pydantic_core.to_json({"shared": shared.values, "runs": runs}, inf_nan_mode="constants")
        body += b"\n" + numbers.tobytes()
        head = pydantic_core.to_json({"version": _VERSION, "crc32": zlib.crc32(body)})
        replace_file(path, head + b"\n" + body)
