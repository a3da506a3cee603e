"""From a pack and a protocol to the rows of train, validation and test.

Draws (limits, validation, folds) are those of ``ferbench.data.stratified``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ferbench.data.class_mapping import find_class
from ferbench.data.digests import digest_of_test_set, rows_digest
from ferbench.data.exclusions import Matched, excluded_rows, matched, refuse_predictions_for_tests
from ferbench.data.label_noise import Noised, changes, noisy_labels, read_confusion
from ferbench.data.stratified import Rows, allot, draw_stratified, group_table
from ferbench.errors import UserError
from ferbench.ids import digest
from ferbench.plugin.specs import Protocol

if TYPE_CHECKING:
    from ferbench.data.pack import Pack


@dataclass(frozen=True)
class TestedFold:
    """The fold that a split tests, of folds that are all tested once, each by a run that never saw it.

    Attributes:
        place: which one, from 1.
        of: how many there are.
        by: what stays together in one fold: ``person``, ``clip``, ``person or clip`` where that depends on the
            sample; empty: nothing does, folds are cut at random.
        groups: how many of these there are; of folds at random the samples.
        n: samples that are tested, those of all folds together.
        digest: of the tested samples and their folds: what makes the tests of all folds together the same.
        samples: digest of all samples that folds are cut from or that are learnt from, as `rows_digest`.
    """

    place: int
    of: int
    by: str
    groups: int
    n: int
    digest: str
    samples: str

    @property
    def protocol(self) -> str:
        """``10 folds by person``."""
        return f"{self.of} folds {f'by {self.by}' if self.by else 'at random'}"


@dataclass(frozen=True)
class Split:
    """Rows of a pack by role.

    Attributes:
        protocol: name of the protocol that cut them.
        class_names: the classes of the task, K of them, in the order of the class ids.
        labels: int64[N of the pack], class ids of the task, -1 for rows of other classes and excluded ones; of
            ``train`` those that are learnt, noise included.
        train: int64[n] rows to learn from.
        validation: int64[m] rows to select on.
        test: int64[t] rows to read once; empty for a fold.
        votes: float32[N, K] distributions over the task's classes, NaN rows where there are none; None: no votes.
        train_digest: digest of the train rows' content, in order.
        validation_digest: the same for validation.
        test_digest: digest of the sorted (id, label, native pixel hash) of the test rows; None for a fold.
        excluded: rows that the list of excluded samples took out of ``train`` (with what validation is cut from it),
            ``validation`` and ``test``; empty without a list.
        matched: how much of that list the dataset has; None without one.
        noised: what noise has done to the labels of ``train``; None where there is none.
        tested: the fold that ``test`` is; None where it is a part of the dataset.
    """

    protocol: str
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    train: Rows
    validation: Rows
    test: Rows
    votes: NDArray[np.float32] | None
    train_digest: str
    validation_digest: str
    test_digest: str | None
    excluded: Mapping[str, int] = field(default_factory=dict)
    matched: Matched | None = None
    noised: Noised | None = None
    tested: TestedFold | None = None

    def counts(self, rows: Rows) -> dict[str, int]:
        """Samples per class among ``rows``, by class name."""
        counted = np.bincount(self.labels[rows], minlength=len(self.class_names))
        return {name: int(n) for name, n in zip(self.class_names, counted, strict=True)}


@dataclass(frozen=True)
class SplitRequest:
    """What ``[data]`` asks of a split; the fields are those of ``DataSettings``."""

    protocol: str | None = None
    classes: tuple[str, ...] | None = None
    num_classes: int | None = None
    train_limit: int | None = None
    train_limit_per_class: int | None = None
    test_limit: int | None = None
    test_limit_per_class: int | None = None
    validation: float = 0.2
    test: float | None = None
    test_seed: int = 0
    fold: str | None = None
    test_fold: str | None = None
    group_by: str | None = None
    split_seed: int = 0
    exclude: str | None = None
    label_noise: float = 0.0
    label_confusion: str | None = None
    noise_seed: int = 0


def cut(pack: Pack, protocols: Sequence[Protocol], request: SplitRequest) -> Split:
    """Cut a pack into train, validation and test.

    Raises:
        UserError: unknown protocol or class, a part that the dataset lacks, or a role that ends up without samples.
    """
    protocol = choose_protocol(protocols, request.protocol, pack.dataset)
    class_names, labels = select_classes(pack, request)
    if not protocol.test and request.fold is None and request.test_fold is None and request.test is None:
        raise UserError(
            f"protocol '{protocol.name}' of '{pack.dataset}' is for folds and has no test part",
            "test every fold with --test-folds 5, name one with --set data.test_fold=1/5, hold a fifth out with "
            "--set data.test=0.2, or choose another data.protocol",
        )

    held_out = None if request.test is None else _held_out(pack, protocol, protocols, request)

    def rows_of(parts: Sequence[str]) -> Rows:
        return rows_of_parts(pack, present_parts(pack, parts, protocol, protocols), labels)

    folded = request.fold is not None or request.test_fold is not None
    cut_parts = protocol.train if request.test_fold is None else _every_part(pack, protocol, protocols)
    pool, extra = rows_of(cut_parts), rows_of(protocol.train_only)
    groups = _groups(pack, request.group_by or protocol.group_by)
    test_parts = () if folded or held_out is not None else present_parts(pack, protocol.test, protocol, protocols)
    # A fold is tested on what is validated on.
    refuse_doubted(pack, cut_parts if folded or held_out is not None else test_parts, request, held_out)
    named = protocol.validation
    if protocol.cut_if_missing:
        named = tuple(part for part in named if part in pack.parts)
    if folded:
        named = ()
    validation = rows_of(named) if named else None
    votes = _task_votes(pack, class_names)
    tested = None
    if request.test_fold is not None:
        samples = rows_digest(pack, np.union1d(pool, extra), labels, class_names, votes)
        by = _kept_together(pack, pool, request.group_by or protocol.group_by)
        pool, test, tested = _test_fold(pack, pool, labels, class_names, groups, request, by=by, samples=samples)
    else:
        drawn = rows_of(test_parts) if held_out is None else held_out[labels[held_out] >= 0]
        test = limited(pack, drawn, labels, request, "test_limit")
    if held_out is not None:  # with all that shows the same person or clip in parts that nothing is drawn from
        away = np.isin(groups, groups[held_out])
        pool, extra = pool[~away[pool]], extra[~away[extra]]
        validation = None if validation is None else validation[~away[validation]]
        test = test if request.fold is None else test[:0]

    learnt = limited(pack, np.union1d(pool, extra), labels, request, "train_limit")
    extra = np.intersect1d(learnt, extra)
    pool = np.setdiff1d(learnt, extra)
    if request.fold is not None:
        train, validation = _fold(pool, _as_in_the_dataset(pack, labels), groups, request)
    elif validation is None:
        in_order = _as_in_the_dataset(pack, labels)
        train, validation = _cut_off(pool, in_order, groups, request.validation, request.split_seed, "validation")
    else:
        train = pool
    train = np.union1d(train, extra)
    judged = test if request.fold is None else None
    _refuse_empty(train, validation, judged, labels, class_names, protocol, grouped=groups is not pack.ids)
    noised = None
    if request.label_noise:
        given, noised = _with_noise(pack, train, labels, class_names, request)
        if votes is not None:  # those of a sample tell its true class
            votes[given != labels] = np.nan
        labels = given
    return Split(
        protocol=protocol_name(pack, protocols, request) if tested is None else tested.protocol,
        class_names=class_names,
        labels=labels,
        train=train,
        validation=validation,
        test=test,
        votes=votes,
        train_digest=rows_digest(pack, train, labels, class_names, votes, drawn=pack.draws_labels),
        validation_digest=rows_digest(pack, validation, labels, class_names, votes),
        test_digest=None if request.fold is not None else digest_of_test_set(pack, test, labels, class_names),
        excluded={
            "train": excluded_of(pack, (*cut_parts, *protocol.train_only), request)
            - (excluded_of(pack, cut_parts, request, held_out) if held_out is not None else 0),
            "validation": excluded_of(pack, named, request),
            "test": excluded_of(pack, test_parts if held_out is None else cut_parts, request, held_out),
        }
        if request.exclude is not None
        else {},
        matched=None if request.exclude is None else matched(request.exclude, pack.ids),
        noised=noised,
        tested=tested,
    )


def protocol_name(pack: Pack, protocols: Sequence[Protocol], request: SplitRequest) -> str:
    """What `Split.protocol` is called, without a cut.

    Raises:
        UserError: the dataset has no such protocol, or lacks parts of it.
    """
    protocol = choose_protocol(protocols, request.protocol, pack.dataset)
    if request.test is not None:
        rows = rows_of_parts(pack, present_parts(pack, protocol.train, protocol, protocols), _labels(pack))
        by = _kept_together(pack, rows, request.group_by or protocol.group_by)
        seed = f", seed {request.test_seed}" if request.test_seed else ""
        return f"test {request.test * 100:.4g} % {f'by {by}' if by else 'at random'}{seed}"
    if request.test_fold is None:
        return protocol.name
    rows = rows_of_parts(pack, _every_part(pack, protocol, protocols), select_classes(pack, request)[1])
    by = _kept_together(pack, rows, request.group_by or protocol.group_by)
    return TestedFold(*_place(request.test_fold), by, 0, 0, "", "").protocol


def _labels(pack: Pack) -> NDArray[np.int64]:
    return pack.labels.astype(np.int64)


def _held_out(pack: Pack, protocol: Protocol, protocols: Sequence[Protocol], request: SplitRequest) -> Rows:
    """The test rows that ``data.test`` draws from the training parts: of all classes, before anything is left out, so
    that a choice of classes, limits or a list of excluded samples moves none of them into training.

    Raises:
        UserError: the dataset has a test part, or one person, clip or sample a class.
    """
    if there := [part for part in protocol.test if part in pack.parts]:
        raise UserError(
            f"data.test = {request.test} holds samples out for the test, but '{pack.dataset}' has the test part "
            f"{' and '.join(there)} already",
            "leave data.test out",
        )
    assert request.test is not None
    labels = _labels(pack)
    rows = rows_of_parts(pack, present_parts(pack, protocol.train, protocol, protocols), labels)
    groups = _groups(pack, request.group_by or protocol.group_by)
    rest, drawn = _cut_off(rows, labels, groups, request.test, request.test_seed, "test")
    if not len(drawn) or not len(rest):
        raise UserError(
            f"data.test = {request.test} of {len(rows):,} samples of {len(np.unique(groups[rows])):,} people, clips or "
            "single images leaves nothing to test on",
            "give more images, or with data.group_by=none let images of one person be on both sides",
        )
    return drawn


def people(pack: Pack, protocols: Sequence[Protocol], request: SplitRequest) -> int:
    """How many people there are to be folds of their own.

    Raises:
        UserError: who is shown is not known of all samples, or is not what keeps them together.
    """
    protocol = choose_protocol(protocols, request.protocol, pack.dataset)
    rows = rows_of_parts(pack, _every_part(pack, protocol, protocols), select_classes(pack, request)[1])
    subjects = np.full(len(rows), "") if pack.subject is None else pack.subject[rows]
    if unknown := int((subjects == "").sum()):
        raise UserError(
            f"'{pack.dataset}' does not say who is shown in {unknown:,} of {len(rows):,} samples, and every person is "
            "to be a fold",
            "give the samples a subject, or test folds with --test-folds 10",
        )
    if (by := request.group_by or protocol.group_by) not in (None, "subject"):
        raise UserError(
            f"data.group_by = '{by}' does not keep people together, and every person is to be a fold",
            "set data.group_by to subject",
        )
    if (count := len(np.unique(subjects))) < 2:
        raise UserError(f"'{pack.dataset}' shows one person: there is nobody else to learn from", "check the subjects")
    return count


def _every_part(pack: Pack, protocol: Protocol, protocols: Sequence[Protocol]) -> tuple[str, ...]:
    """All parts that a protocol learns from, validates or tests on, as far as the pack has them: what test folds are
    cut from."""
    held = (part for part in (*protocol.validation, *protocol.test) if part in pack.parts)
    return tuple(dict.fromkeys((*present_parts(pack, protocol.train, protocol, protocols), *held)))


def _place(fold: str) -> tuple[int, int]:
    """``"2/5"`` as (2, 5).

    Raises:
        UserError: it is every person.
    """
    place, _, of = fold.partition("/")
    if not of:
        raise UserError(
            f"data.test_fold = '{fold}' is every fold, and one is asked for here",
            "'ferbench run' runs all of them; data.test_fold=1/10 names one",
        )
    return int(place), int(of)


def _kept_together(pack: Pack, rows: Rows, group_by: str | None) -> str:
    """`TestedFold.by` of samples that `_groups` keeps together."""
    if group_by == "none":
        return ""
    unknown, used = np.ones(len(rows), bool), []
    for name, column in (("person", pack.subject if group_by != "clip" else None), ("clip", pack.clip)):
        if column is not None and (unknown & (column[rows] != "")).any():
            unknown &= column[rows] == ""
            used.append(name)
    return " or ".join(used) + (", where known" if used and unknown.any() else "")


def _with_noise(
    pack: Pack, train: Rows, labels: NDArray[np.int64], class_names: tuple[str, ...], request: SplitRequest
) -> tuple[NDArray[np.int64], Noised]:
    """``labels`` with noise in those of the training rows, and what it has done."""
    path, classes = request.label_confusion, len(class_names)
    confusion = None if path is None else read_confusion(path, class_names)
    given = labels.copy()
    given[train] = noisy_labels(
        labels[train], pack.ids[train], classes, request.label_noise, request.noise_seed, confusion
    )
    changed = changes(labels[train], given[train], classes)
    return given, Noised(request.label_noise, request.noise_seed, path is not None, changed)


def refuse_doubted(pack: Pack, parts: Sequence[str], request: SplitRequest, among: Rows | None = None) -> None:
    """Refuse a list that takes samples out of tested parts, of those ``among`` some rows, since a model disagrees with
    their labels.

    Raises:
        UserError: it does.
    """
    if request.exclude is None:
        return
    rows = rows_of_parts(pack, parts, select_classes(pack, replace(request, exclude=None))[1])
    rows = rows if among is None else np.intersect1d(rows, among)
    remedy = "remove the rows with the reason 'mislabelled' from the list"
    if request.fold is not None:
        remedy += ", or train without folds: each of them is tested on samples that others learn from"
    refuse_predictions_for_tests(request.exclude, pack.ids[rows], remedy)


def excluded_of(pack: Pack, parts: Sequence[str], request: SplitRequest, among: Rows | None = None) -> int:
    """How many samples of some parts, ``among`` some rows, the list of excluded samples takes out of the task."""
    if request.exclude is None:
        return 0
    rows = rows_of_parts(pack, parts, select_classes(pack, replace(request, exclude=None))[1])
    rows = rows if among is None else np.intersect1d(rows, among)
    return int(excluded_rows(request.exclude, pack.ids, pack.dataset)[rows].sum())


def rows_of_parts(pack: Pack, parts: Sequence[str], labels: NDArray[np.int64]) -> Rows:
    """int64[n]: the rows of some parts whose class is one of the task's."""
    codes = [pack.parts.index(part) for part in parts if part in pack.parts]
    return np.flatnonzero(np.isin(pack.part, codes) & (labels >= 0)).astype(np.int64)


def limited(
    pack: Pack,
    rows: Rows,
    labels: NDArray[np.int64],
    request: SplitRequest,
    limit: Literal["train_limit", "test_limit"],
) -> Rows:
    """``rows`` within the limits of the training or of the test set, which are drawn in proportion to the classes.

    Raises:
        UserError: the limit is less than the number of classes.
    """
    total, per_class = getattr(request, limit), getattr(request, f"{limit}_per_class")
    if total is None and per_class is None:
        return rows
    present = len(np.unique(labels[rows]))
    if total is not None and total < present:
        raise UserError(
            f"data.{limit} = {total} is less than the {present} classes", f"set data.{limit} to {present} or more"
        )
    labels, seed = _as_in_the_dataset(pack, labels), request.split_seed
    return draw_stratified(rows, labels, pack.ids, total=total, per_class=per_class, seed=seed, purpose=limit)


def _as_in_the_dataset(pack: Pack, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Class ids in the order of the dataset's classes, so that draws do not depend on the order of ``data.classes``."""
    chosen = labels >= 0
    known = np.unique(pack.labels[chosen])
    return np.where(chosen, np.searchsorted(known, pack.labels), -1).astype(np.int64)


def choose_protocol(protocols: Sequence[Protocol], name: str | None, dataset: str) -> Protocol:
    """The protocol of that name, the first for None.

    Raises:
        UserError: there is none of that name.
    """
    if name is None:
        return protocols[0]
    for protocol in protocols:
        if protocol.name == name:
            return protocol
    raise UserError(
        f"dataset '{dataset}' has no protocol '{name}'",
        f"set data.protocol to one of: {', '.join(p.name for p in protocols)}",
    )


def present_parts(
    pack: Pack, parts: Sequence[str], protocol: Protocol, protocols: Sequence[Protocol]
) -> tuple[str, ...]:
    """``parts``, when the pack has all of them.

    Raises:
        UserError: a part is missing; names a protocol that the data would do for.
    """
    missing = [part for part in parts if part not in pack.parts]
    if missing:
        possible = [
            other.name
            for other in protocols
            if other.test
            and set(other.train)
            | set(other.train_only)
            | set(other.test)
            | (set() if other.cut_if_missing else set(other.validation))
            <= set(pack.parts)
        ]
        remedy = f"add the missing files; found parts: {', '.join(pack.parts)}"
        if possible:
            remedy = f"add the missing files, or use --set data.protocol={possible[0]}"
        elif set(missing) <= set(protocol.test) and set(protocol.train) <= set(pack.parts):
            remedy = "hold a fifth of it out for the test with --set data.test=0.2, or add the missing files"
        raise UserError(
            f"protocol '{protocol.name}' needs the part {' and '.join(missing)} of '{pack.dataset}', "
            "which is not in the data",
            remedy,
        )
    return tuple(parts)


def select_classes(pack: Pack, request: SplitRequest) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes of the task, and int64[N] the class ids of all rows, -1 for rows of other classes and excluded rows.

    Raises:
        UserError: a class is unknown, there are not ``num_classes``, or the list of excluded samples cannot be used.
    """
    class_names = pack.class_names
    if request.classes is not None:
        places = [find_class(name, pack.class_names) for name in request.classes]
        for place, name in zip(places, request.classes, strict=True):
            if place is None:
                choices = ", ".join(pack.class_names)
                raise UserError(
                    f"dataset '{pack.dataset}' has no class '{name}'", f"choose data.classes among: {choices}"
                )
            if places.count(place) > 1:
                raise UserError(f"data.classes names '{pack.class_names[place]}' twice", "name each class once")
        class_names = tuple(pack.class_names[place] for place in places if place is not None)
    if request.num_classes is not None and request.num_classes != len(class_names):
        raise UserError(
            f"data.num_classes = {request.num_classes}, but the data has {len(class_names)} classes: "
            f"{', '.join(class_names)}",
            "correct data.num_classes, or choose the classes with data.classes",
        )
    mapping = np.full(len(pack.class_names), -1, dtype=np.int64)
    for task_id, name in enumerate(class_names):
        mapping[pack.class_names.index(name)] = task_id
    labels = mapping[pack.labels.astype(np.int64)]
    if request.exclude is not None:
        labels[excluded_rows(request.exclude, pack.ids, pack.dataset)] = -1
    return class_names, labels


def _groups(pack: Pack, group_by: str | None) -> NDArray[np.str_]:
    """str[N]: samples with one value stay on one side of a cut. None: people where they are known, then clips."""
    if group_by == "none":
        return pack.ids
    if group_by is not None and getattr(pack, group_by) is None:
        raise UserError(
            f"data.group_by = '{group_by}', but dataset '{pack.dataset}' does not say the {group_by} of its images",
            "set data.group_by to none",
        )
    groups = pack.ids
    for column in (pack.clip, pack.subject if group_by != "clip" else None):
        if column is not None:
            groups = np.where(column == "", groups, column)
    return groups


def _cut_off(
    pool: Rows, labels: NDArray[np.int64], groups: NDArray[np.str_], share: float, seed: int, purpose: str
) -> tuple[Rows, Rows]:
    """The rest and about a ``share`` of each class, whole groups of it."""
    index, group_class, size, rank = group_table(pool, labels, groups, seed, purpose)
    held_back = np.zeros(len(size), dtype=bool)
    classes = np.unique(group_class)
    images = [int(size[group_class == k].sum()) for k in classes]
    seats = allot(images, max(round(sum(images) * share), len(classes)))
    for k, wanted in zip(classes, seats, strict=True):
        members = np.flatnonzero(group_class == k)
        if len(members) == 1:  # to be learnt at all comes before being validated
            continue
        members = members[np.argsort(rank[members], kind="stable")]
        before = np.cumsum(size[members]) - size[members]
        held_back[members[before < wanted]] = True
    if not held_back.any():  # few people, of whom no two have most images of one class
        order = np.lexsort((group_class, rank))
        held_back[order[np.cumsum(size[order]) - size[order] < sum(images) * share]] = True
    _keep_every_class(held_back, index, labels[pool])
    chosen = held_back[index]
    return pool[~chosen], pool[chosen]


def _keep_every_class(held_back: NDArray[np.bool_], index: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
    """Give back to training the smallest group of a class that would only be validated: groups of several classes, such
    as people, are drawn by the one that most of their images have.

    Args:
        held_back: bool[G] by group; changed in place.
        index: int64[n] group of each sample.
        labels: int64[n] class of each sample.
    """
    for k in np.unique(labels):
        of_class = np.bincount(index[labels == k], minlength=len(held_back))
        if not (of_class[~held_back]).any():
            having = np.flatnonzero(of_class)
            sizes = np.bincount(index, minlength=len(held_back))[having]
            held_back[having[np.argmin(sizes)]] = False


def _fold(pool: Rows, labels: NDArray[np.int64], groups: NDArray[np.str_], request: SplitRequest) -> tuple[Rows, Rows]:
    assert request.fold is not None
    i, k = (int(part) for part in request.fold.split("/"))
    index, group_class, _, rank = group_table(pool, labels, groups, request.split_seed, "fold")
    if k > len(group_class):
        what = "samples" if groups.size == np.unique(groups).size else "groups of samples that stay together"
        raise UserError(
            f"data.fold = '{request.fold}': {k:,} folds of {len(group_class):,} {what}",
            f"use at most {len(group_class):,} folds",
        )
    # Classes start at different folds, so that their remainders do not all fall on the first folds.
    chosen = ((rank + group_class) % k == i - 1)[index]
    return pool[~chosen], pool[chosen]


def _test_fold(
    pack: Pack,
    pool: Rows,
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    groups: NDArray[np.str_],
    request: SplitRequest,
    **about: str,
) -> tuple[Rows, Rows, TestedFold]:
    """The pool without the samples of a fold; those of them that are tested; and which fold it is.

    Groups are dealt out class by class, so that folds have nearly as many of them; with as many folds as groups, each
    is one. A limit of the test set is one of all folds together.
    """
    assert request.test_fold is not None
    place, of = _place(request.test_fold)
    in_order = _as_in_the_dataset(pack, labels)
    index, group_class, _, rank = group_table(pool, in_order, groups, request.split_seed, "test fold")
    if of > len(group_class):
        what = "samples" if groups.size == np.unique(groups).size else "people, clips or groups that stay together"
        raise UserError(
            f"data.test_fold = '{request.test_fold}': {of:,} folds of {len(group_class):,} {what}",
            f"use at most {len(group_class):,} folds",
        )
    sizes = np.bincount(group_class)
    before = np.cumsum(sizes) - sizes
    folds = ((before[group_class] + rank) % of)[index]
    rest, chosen = pool[folds != place - 1], limited(pack, pool, labels, request, "test_limit")
    for lost in np.setdiff1d(labels[pool], labels[rest]).tolist():
        raise UserError(
            f"data.test_fold = '{request.test_fold}' has every sample of class '{class_names[lost]}', so that no other "
            "is left to learn it from",
            "choose classes that more people show (data.classes), or tear people apart with data.group_by=none",
        )
    several = [np.intersect1d(pool[folds == number], chosen) for number in range(of)]
    together = digest([digest_of_test_set(pack, rows, labels, class_names) for rows in several])
    tested = TestedFold(place, of, groups=len(group_class), n=len(chosen), digest=together, **about)
    return rest, several[place - 1], tested


def _refuse_empty(
    train: Rows,
    validation: Rows,
    test: Rows | None,
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    protocol: Protocol,
    *,
    grouped: bool,
) -> None:
    for role, rows in (("train", train), ("validation", validation), ("test", test)):
        if rows is None:
            continue
        counts = np.bincount(labels[rows], minlength=len(class_names))
        absent = [name for name, count in zip(class_names, counts, strict=True) if not count]
        if len(rows) == 0 or (absent and role == "train"):
            torn = grouped and role != "test"
            what = "no sample at all" if len(rows) == 0 else f"no sample of class '{absent[0]}'"
            raise UserError(
                f"with protocol '{protocol.name}', {role} has {what}",
                "raise the limits, choose other classes (data.classes), or check the dataset's folders"
                + ("; with data.group_by=none, images of one person may be on both sides" if torn else ""),
            )


def _task_votes(pack: Pack, class_names: tuple[str, ...]) -> NDArray[np.float32] | None:
    if pack.votes is None:
        return None
    columns = [pack.class_names.index(name) for name in class_names]
    votes = np.asarray(pack.votes[:, columns], dtype=np.float32)
    totals = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, totals, out=np.full_like(votes, np.nan), where=totals > 0)
