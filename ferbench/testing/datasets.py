"""What is asked of datasets."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.data.pack import Pack
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.sample import Dataset, Fault, Sample
from ferbench.data.splits import SplitRequest, cut
from ferbench.errors import UserError
from ferbench.plugin.specs import DatasetSpec, Protocol
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation


class DatasetBench:
    """A dataset, with its files where it needs some."""

    def __init__(self, subject: Subject) -> None:
        assert isinstance(subject.component.spec, DatasetSpec)
        self.spec = subject.component.spec
        self._subject = subject
        self._folders: list[tempfile.TemporaryDirectory[str]] = []

    def build(self, path: Path | None = None) -> Dataset:
        """A fresh one, from ``path`` or from the files that were given."""
        given = path or self._subject.data
        if given is None and self.spec.needs_path:
            raise NotApplicable("it reads files, and none were named (--data)")
        dataset = self._subject.build(given)
        if not isinstance(dataset, Dataset):
            raise Violation(f"the builder returns {type(dataset).__name__}, no ferbench.Dataset")
        return dataset

    @functools.cached_property
    def read(self) -> list[Sample | Fault]:
        """One reading, without the pixels that it holds in memory."""
        return [replace(item, image=b"") if isinstance(item, Sample) else item for item in self.build().samples()]

    @property
    def samples(self) -> list[Sample]:
        """Those of the reading that are no faults."""
        return [item for item in self.read if isinstance(item, Sample)]

    @functools.cached_property
    def ids_again(self) -> list[str]:
        """The ids at another reading."""
        return [item.id for item in self.build().samples() if isinstance(item, Sample)]

    def packed(self) -> Pack:
        """A pack of a fresh one; what is faulty is left out. It goes when the bench goes."""
        self._folders.append(tempfile.TemporaryDirectory(prefix="ferbench-check-", ignore_cleanup_errors=True))
        return pack_dataset(
            self.build(), name=self.spec.name, cache=Path(self._folders[-1].name), skip_faulty=True, workers=1
        )

    @functools.cached_property
    def pack(self) -> Pack:
        return self.packed()


RULES = RuleSet(DatasetBench)


@RULES.rule(gate=True)
def empty_directory(bench: DatasetBench) -> str:
    """An empty directory is an error that says what is missing and what to do."""
    if not bench.spec.needs_path:
        raise NotApplicable("it needs no files")
    with tempfile.TemporaryDirectory(prefix="ferbench-check-") as folder:
        try:
            count = sum(1 for _ in bench.build(Path(folder)).samples())
        except UserError as error:
            return f"{error.message} → {error.remedy}".replace(folder, "DIR")
        except Exception as error:
            raise Violation(f"it ends in {type(error).__name__}: {error}; raise ferbench.UserError") from error
    raise Violation(f"it is taken for a dataset with {count} samples; raise ferbench.UserError")


@RULES.rule(gate=True)
def builds(bench: DatasetBench) -> str:
    """The builder returns a ferbench.Dataset with samples."""
    dataset = bench.build()
    if not bench.samples:
        raise Violation("it has no samples")
    return f"{len(bench.samples):,} samples of {len(dataset.class_names)} classes"


@RULES.rule()
def stable_ids(bench: DatasetBench) -> None:
    """Ids are unique, and the same in the same order at every reading."""
    ids, again = [sample.id for sample in bench.samples], bench.ids_again
    for place, (one, other) in enumerate(zip(ids, again, strict=False)):
        if one != other:
            raise Violation(f"sample {place} is '{one}' at the first reading and '{other}' at the second")
    if len(ids) != len(again):
        raise Violation(f"the first reading has {len(ids)} samples, the second {len(again)}")
    if len(set(ids)) < len(ids):
        ((twice, times),) = Counter(ids).most_common(1)
        raise Violation(f"the id '{twice}' stands for {times} samples")


@RULES.rule()
def labels_in_range(bench: DatasetBench) -> str:
    """Labels are among class_names; valence and arousal lie in [-1, 1]; votes are one non-negative number a class."""
    names = tuple(bench.build().class_names)
    for sample in bench.samples:
        where = f"sample '{sample.id}'"
        if sample.label not in names:
            raise Violation(f"{where} has the label '{sample.label}', which is not among {', '.join(names)}")
        for what, value in (("valence", sample.valence), ("arousal", sample.arousal)):
            if value is not None and not -1 <= value <= 1:
                raise Violation(f"{where} has {what} {value}, outside -1..1; None stands for not annotated")
        votes = sample.votes
        if votes is not None and (len(votes) != len(names) or not all(math.isfinite(v) and v >= 0 for v in votes)):
            raise Violation(f"{where} has the votes {votes} for {len(names)} classes")
    seen = {sample.label for sample in bench.samples}
    absent = [name for name in names if name not in seen]
    return f"no sample of {', '.join(absent)}" if absent else f"all of {', '.join(names)}"


@RULES.rule(gate=True)
def stamp(bench: DatasetBench) -> None:
    """source() is plain and the same while nothing changes, so that the images are decoded once."""
    stamps = []
    for _ in range(2):
        source = bench.build().source()
        try:
            stamps.append(json.dumps(dict(source), sort_keys=True, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise Violation(f"source() cannot be written as JSON: {error}") from error
    if stamps[0] != stamps[1]:
        raise Violation("source() differs between two readings: everything would be decoded at every run")


@RULES.rule()
def faults(bench: DatasetBench) -> str | None:
    """At least half of what it reads can be used."""
    pack, read = bench.pack, len(bench.read)
    if pack.skipped > read / 2:
        raise Violation(f"{pack.skipped:,} of {read:,} are faulty; the first: {pack.faults[0]}")
    return f"{pack.skipped:,} faulty; the first: {pack.faults[0]}" if pack.skipped else None


@RULES.rule()
def same_digest(bench: DatasetBench) -> str:
    """Reading it twice gives the same pack: the same ids, labels and pixels, to the bit."""
    if [sample.id for sample in bench.samples] != bench.ids_again:
        raise NotApplicable("its ids change")
    first, other = bench.pack, bench.packed()
    if first.digest != other.digest:
        raise Violation(f"its content differs between two readings: {_difference(first, other)}")
    return first.digest[:15]


def _difference(first: Pack, other: Pack) -> str:
    if len(first) != len(other):
        return f"{len(first)} and {len(other)} samples"
    columns: Mapping[str, tuple[Any, Any]] = {
        name: (getattr(first, name), getattr(other, name)) for name in ("ids", "labels", "part", "pixel_hashes")
    }
    changed = [name for name, (a, b) in columns.items() if not np.array_equal(a, b)]
    return ", ".join(changed).replace("pixel_hashes", "pixels") or "valence, arousal, votes, subjects or clips"


@RULES.rule()
def disjoint_splits(bench: DatasetBench) -> str:
    """No sample, and nobody whom a protocol keeps together, is in two of train, validation and test."""
    worked, refused = [], []
    for protocol in bench.spec.protocols:
        request = SplitRequest(protocol=protocol.name, fold=None if protocol.test else "1/2")
        try:
            split = cut(bench.pack, bench.spec.protocols, request)
        except UserError as error:
            refused.append(f"{protocol.name}: {error.message}")
            continue
        worked.append(protocol.name)
        _are_apart(bench.pack, protocol, {"train": split.train, "validation": split.validation, "test": split.test})
    if not worked:
        raise Violation(f"no protocol can be used: {'; '.join(refused)}")
    not_here = ", ".join(reason.partition(":")[0] for reason in refused)
    return ", ".join(worked) + (f"; not with these files: {not_here}" if not_here else "")


def _are_apart(pack: Pack, protocol: Protocol, roles: Mapping[str, np.ndarray]) -> None:
    kept = {"subject": pack.subject, "clip": pack.clip}.get(protocol.group_by or "")
    pairs = (("train", "validation"), ("train", "test"), ("validation", "test"))
    for one, other in pairs:
        both = np.intersect1d(roles[one], roles[other])
        where = f"in {one} and {other} of protocol '{protocol.name}'"
        if len(both):
            raise Violation(f"'{pack.ids[both[0]]}' and {len(both) - 1} more are {where}: a part stands on both sides")
        if kept is not None:
            shared = np.intersect1d(kept[roles[one]], kept[roles[other]])
            shared = shared[shared != ""]
            if len(shared):
                raise Violation(f"{protocol.group_by} '{shared[0]}' is {where}")


@RULES.rule(informational=True)
def copies(bench: DatasetBench) -> str:
    """How many test images are also, pixel by pixel, among those to learn from."""
    for protocol in bench.spec.protocols:
        with contextlib.suppress(UserError):  # for want of a part; for folds
            split = cut(bench.pack, bench.spec.protocols, SplitRequest(protocol=protocol.name))
            break
    else:
        raise NotApplicable("no protocol with a test part can be used")
    digests = [value.tobytes() for value in bench.pack.pixel_hashes]
    learnt = {digests[row] for row in np.union1d(split.train, split.validation)}
    return f"{sum(digests[row] in learnt for row in split.test)} of {len(split.test)}, with protocol '{protocol.name}'"
