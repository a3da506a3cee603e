"""How a pack is built: threads decode samples in chunks, which are written in order; memory stays flat.

Threads, not processes: on two cores FER2013's 48-pixel JPEGs take about 200 µs each either way (Pillow's
header parsing holds the interpreter), larger images decode outside the interpreter's lock, and threads
neither import the caller's main module again nor copy pixels between processes.
"""

from __future__ import annotations

import json
import math
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ferbench.data.class_mapping import unknown_label
from ferbench.data.columns import LONGEST_TEXT, content_digest
from ferbench.data.decode import DecodeError, decode
from ferbench.data.description import PACK_FORMAT
from ferbench.data.file_facts import FileSample
from ferbench.data.fit import StoredForm
from ferbench.data.gray import UNKNOWN, luma
from ferbench.data.images import available_cores, pixel_hash
from ferbench.data.pack_table import PackTable, Row, fault_at, wrong_shape
from ferbench.data.sample import Dataset, Fault, Sample
from ferbench.errors import UserError
from ferbench.storage import writing
from ferbench.tables.table import size

_CHUNK_BYTES = 4 * 2**20
_CHUNK_ROWS = 128
_MOST_SAID = 10**15  # images
_LOOKED_FOR = "; looked for "  # before the path in a reason, which otherwise says the same of many samples


class Prepare(Protocol):
    """What is done to an image before it is brought to the stored size."""

    @property
    def nothing(self) -> str:
        """Why an image is left out that nothing is given for."""

    def __call__(self, image: np.ndarray, identifier: str | None = None, /) -> np.ndarray | None:
        """uint8[C, h, w] of uint8[C, H, W]; None where nothing is found in it."""


class NothingFound(Fault):
    """A sample that preprocessing found nothing in. It is left out, and no reason to refuse the dataset."""


class FaultyDataset(UserError):
    """The dataset has faults and was not packed.

    Attributes:
        faults: all of them, in the order of reading.
    """

    def __init__(self, name: str, faults: tuple[Fault, ...], accepted: int, unlike: int = 0) -> None:
        """
        Args:
            name: of the dataset.
            faults: all of them, in the order of reading.
            accepted: how many samples are usable.
            unlike: how many of the faults are that an image is of another size than the first one.
        """
        causes = by_cause(faults)
        shown = "; ".join(one_for_all(same) for same in causes[:3])
        more = f"; and {sum(map(len, causes[3:])):,} more" if len(causes) > 3 else ""
        if accepted:
            message = f"dataset '{name}' has {_counted(len(faults), 'fault')}: {shown}{more}"
            remedy = "mend them, or pass --skip-faulty to leave them out, which the record of the run will say"
            if len(causes) == 1 and len(faults) > max(accepted // 10, 1):
                which = f"{len(faults):,} of {len(faults) + accepted:,} samples"
                remedy = f"they have one cause: mend that; --skip-faulty would leave out {which}"
            if 2 * unlike > len(faults):  # to leave them out may be to leave all of a union's second dataset out
                remedy = "bring all to one size: --set dataset.size=N, or stored_size in a dataset plugin of your own"
        else:
            message = f"dataset '{name}' has no usable image, {_counted(len(faults), 'fault')}: {shown}{more}"
            remedy = "check that this is the dataset it is taken for, and that its files are whole"
        super().__init__(message, remedy)
        self.faults = faults


def by_cause(faults: Sequence[Fault]) -> list[list[Fault]]:
    """Faults in lists of those with one reason, whichever file was looked for."""
    causes: dict[str, list[Fault]] = {}
    for fault in faults:
        causes.setdefault(fault.reason.partition(_LOOKED_FOR)[0], []).append(fault)
    return list(causes.values())


def one_for_all(same: Sequence[Fault]) -> str:
    """The first fault, and how many more there are with its reason."""
    return f"{same[0]}{f' (and {len(same) - 1:,} more like it)' if len(same) > 1 else ''}"


def refuse_without_room(dataset: Dataset, form: StoredForm, name: str, cache: Path) -> None:
    """Refuse a dataset that says to have more images than there is room for, before any of them is made.

    Raises:
        UserError: saying how much it needs, and how much there is.
    """
    size_of_image = form.size or dataset.native_size
    if not dataset.least_count or size_of_image is None:
        return
    image = form.channels * size_of_image[0] * size_of_image[1]
    needed = dataset.least_count * image
    free = shutil.disk_usage(next(place for place in (cache, *cache.absolute().parents) if place.exists())).free
    if needed > free:
        count, total = min(dataset.least_count, _MOST_SAID), min(needed, _MOST_SAID * image)
        raise UserError(
            f"dataset '{name}' needs at least {size(total)} for {count:,} images; {cache} has {size(free)} of room",
            "ask for fewer or smaller images, free some space, or name another place with --cache",
        )


def build(
    dataset: Dataset,
    form: StoredForm,
    directory: Path,
    *,
    name: str,
    skip_faulty: bool,
    workers: int | None,
    progress: Callable[[int], None] | None,
    prepare: Prepare | None = None,
) -> dict[str, Any]:
    """Writes a pack's files into an empty directory.

    Args:
        dataset: what is packed.
        form: what it makes of images.
        directory: that the files are written into.
        name: of the dataset, for messages.
        skip_faulty: leave faulty samples out and record them, instead of refusing.
        workers: decoding threads; None: one per core.
        progress: called now and then with the number of samples done so far.
        prepare: what is done to images before ``form``; None: nothing.

    Returns:
        The description that is in ``pack.json``.

    Raises:
        FaultyDataset: there are faults that are not to be skipped, or no row is left.
        UserError: the directory cannot be written, or what the dataset itself raises.
    """
    class_names = tuple(dataset.class_names)
    if len(set(class_names)) != len(class_names) or not class_names:
        raise ValueError(f"dataset '{name}' names no class, or one class twice: {class_names}")
    faults: list[Fault] = []
    done = 0
    with writing(directory.parent):
        table = PackTable(directory, class_names, dataset.vote_names)
    files = FileSample()
    try:
        for chunk in _decoded(dataset, form, workers or available_cores(), prepare):
            done += len(chunk)
            rows = []
            for item in chunk:
                fault = item if isinstance(item, Fault) else table.refusal(item)
                if fault is not None:
                    faults.append(_printable(fault))
                elif isinstance(item, Row):
                    rows.append(item)
                    files.add(item)
            with writing(directory.parent):
                table.append(rows)
            if progress is not None:
                progress(done)
        with writing(directory.parent):  # what is still in memory is written before it is read again
            keep, duplicates = table.duplicates()
            faults += duplicates
            where = str(getattr(dataset, "path", name))
            faults += table.gaps(keep, where)
        left = table.rows - len(duplicates)
        if not faults and not left:
            raise UserError(f"dataset '{name}' has no image", "check that this is the dataset it is taken for")
        faulty = [fault for fault in faults if not isinstance(fault, NothingFound)]
        if not left or (faulty and not skip_faulty):
            raise FaultyDataset(name, tuple(faulty if left else faults), left, table.unlike)
        with writing(directory.parent):
            content = table.finish(keep if duplicates else None)
            if "cast_votes" in content["columns"]:
                content["vote_names"] = list(dataset.vote_names)
            if dataset.draws_labels:
                content["draws_labels"] = True
            description = {
                "format": PACK_FORMAT,
                "digest": content_digest(content),
                "dataset": name,
                **content,
                "skipped": len(faults),
                "faults": [[fault.file, fault.row, fault.reason] for fault in faults],
                "notes": dict(dataset.notes),
                "files": files.counts(),
            }
            text = json.dumps(description, indent=1, allow_nan=False)
            (directory / "pack.json").write_text(text, encoding="ascii")
        return description
    finally:
        table.close()


def _decoded(dataset: Dataset, form: StoredForm, workers: int, prepare: Prepare | None) -> Iterator[list[Row | Fault]]:
    """Every sample in order, decoded, as lists; a few lists are ahead of the consumer and no more."""
    samples = map(_kept, dataset.samples())
    size = form.size or dataset.native_size
    limit = 16 if size is None else _rows_of(form.channels * size[0] * size[1])
    ahead: deque[Future[list[Row | Fault]]] = deque()
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="pack")
    try:
        while True:
            while len(ahead) < workers + 2 and (chunk := list(islice(samples, limit))):
                ahead.append(pool.submit(_decode_chunk, dataset, form, chunk, prepare))
            if not ahead:
                return
            rows = ahead.popleft().result()
            limit = min(
                (_rows_of(row.image.size) for row in rows if isinstance(row, Row) and row.image is not None),
                default=limit,
            )
            yield rows
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _kept(item: Sample | Fault) -> Sample | Fault:
    """What a dataset yields, with copies of what it may use again for the next sample while this one waits."""
    if not isinstance(item, Sample):
        return item
    image = item.image.copy() if isinstance(item.image, np.ndarray) else item.image
    votes, cast = (None if votes is None else tuple(votes) for votes in (item.votes, item.cast_votes))
    return replace(item, image=image, votes=votes, cast_votes=cast)


def _rows_of(image_bytes: int) -> int:
    return max(1, min(_CHUNK_ROWS, _CHUNK_BYTES // max(1, image_bytes)))


def _decode_chunk(
    dataset: Dataset, form: StoredForm, chunk: Sequence[Sample | Fault], prepare: Prepare | None
) -> list[Row | Fault]:
    return [item if isinstance(item, Fault) else _decode_sample(dataset, form, item, prepare) for item in chunk]


def _decode_sample(dataset: Dataset, form: StoredForm, sample: Sample, prepare: Prepare | None) -> Row:
    reason = _complaint(dataset, sample)
    if reason is not None:
        return _refused(sample, reason)
    try:
        native = decode(sample.image, dataset.channels)
        shown = native if form.channels == dataset.channels else decode(sample.image, form.channels)
    except DecodeError as error:
        missing = isinstance(sample.image, Path) and not sample.image.is_file()
        looked = f"{_LOOKED_FOR}{sample.image!s}" if missing and sample.location != str(sample.image) else ""
        return _refused(sample, error.reason + looked)
    expected = sample.native_size or dataset.native_size
    if expected is not None and native.shape[1:] != tuple(expected):
        return _refused(sample, wrong_shape(native.shape[1:], expected))
    digest = pixel_hash(native)
    if prepare is not None:
        prepared = prepare(shown, sample.id)
        if prepared is None:
            fault = fault_at(sample, prepare.nothing)
            return Row(sample, NothingFound(fault.file, fault.row, fault.reason))
        shown = prepared
    stored = form.store(shown)
    # Of images that are stored as they are it can be taken later.
    resampled = form.size is not None or prepare is not None
    as_they_are = form.channels == dataset.channels and (dataset.channels == 1 or not resampled)
    gray = UNKNOWN if as_they_are else pixel_hash(luma(native))
    return Row(sample, None, native.shape[1:], stored, digest, digest if stored is native else pixel_hash(stored), gray)


def _refused(sample: Sample, reason: str) -> Row:
    return Row(sample, fault_at(sample, reason))


def _complaint(dataset: Dataset, sample: Sample) -> str | None:
    """What is wrong with what is stated about a sample."""
    if not isinstance(sample, Sample):
        raise TypeError(f"a dataset yields Sample or Fault, not {type(sample).__name__}")
    for what in ("id", "part", "subject", "clip", "source"):
        text = getattr(sample, what)
        if text is None and what not in ("id", "part"):
            continue
        if not isinstance(text, str) or not text or len(text) > LONGEST_TEXT or "\0" in text:
            return f"{what} is not a text of 1 to {LONGEST_TEXT} characters"
        if not text.isascii() and not _is_unicode(text):
            return f"{what} is not valid Unicode"
    if sample.label not in dataset.class_names:
        return unknown_label(sample.label, dataset.class_names)
    for what, value in (("valence", sample.valence), ("arousal", sample.arousal)):
        if value is not None and not -1 <= value <= 1:
            return f"{what} {value} outside -1..1"
    for votes, names, what in (
        (sample.votes, dataset.class_names, "classes"),
        (sample.cast_votes, dataset.vote_names, "vote_names"),
    ):
        if votes is None:
            continue
        if len(votes) != len(names):
            return f"{len(votes)} votes for {len(names)} {what}"
        if not all(math.isfinite(vote) and vote >= 0 for vote in votes) or not sum(votes) > 0:
            return "votes that are negative, infinite or all zero"
    if sample.frame is not None and not 0 <= sample.frame < 2**31:
        return f"frame {sample.frame} outside 0..2147483647"
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(fault: Fault) -> Fault:
    """The same on one line and in valid Unicode, whatever the file is called."""
    return type(fault)(_one_line(fault.file), fault.row, _one_line(fault.reason))


def _one_line(text: str) -> str:
    valid = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in valid)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
