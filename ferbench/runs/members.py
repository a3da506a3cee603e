"""The runs of an ensemble, and their predictions brought into one order of samples and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.class_mapping import order_of_classes
from ferbench.errors import UserError
from ferbench.runs.directory import Predictions, RunDirectory
from ferbench.runs.pixels import STORED


@dataclass(frozen=True)
class Member:
    """One run of an ensemble.

    Attributes:
        directory: of the run.
        record: its ``run.json``.
        evaluations: twelve digits of the evaluation id by split: ``validation``, and ``test`` unless it is a fold.
    """

    directory: RunDirectory
    record: Mapping[str, Any]
    evaluations: Mapping[str, str]

    @property
    def run(self) -> str:
        return self.directory.path.name

    @property
    def label(self) -> str:
        """What messages call it."""
        name = self.record.get("name")
        return f"{name} ({self.run})" if name else self.run


def read_member(directory: RunDirectory) -> Member:
    """A finished run and its own evaluations; of several of one split that without test-time augmentation.

    Raises:
        UserError: the run is not done, or is an ensemble itself.
    """
    record = directory.read()
    if record["status"] != "done":
        raise UserError(
            f"run {directory.path.name} has no predictions: its status is '{record['status']}'",
            "finish it with the same 'ferbench run' command",
        )
    if "ensemble" in record:
        members = " ".join(one["run"] for one in record["ensemble"]["members"])
        raise UserError(f"run {directory.path.name} is an ensemble itself", f"name its members: {members}")
    if "imported" in record:
        raise UserError(
            f"run {directory.path.name} was imported: there is no training of it to make an ensemble of",
            "average the predictions where they were made, and import that",
        )
    found: dict[str, str] = {}
    for split in ("validation", "test"):
        digest = record["data"].get(f"{split}_digest")
        own = {
            name: entry
            for name, entry in record["evaluations"].items()
            if entry["split"] == split
            and entry["rows_digest"] == digest
            and "options" in entry
            and STORED not in entry["options"]
        }
        for name in sorted(own, key=lambda one: (own[one]["options"].get("tta", "none") != "none", one)):
            found.setdefault(split, name)
    return Member(directory, record, found)


def shared_splits(members: Sequence[Member]) -> tuple[str, ...]:
    """The splits that every member was evaluated on, in the same way.

    Raises:
        UserError: members have unlike splits, folds or test-time options, or none at all.
    """
    first = members[0]
    for member in members:
        if set(member.evaluations) != set(first.evaluations):
            raise UserError(
                f"{first.label} was evaluated on {_listed(first.evaluations)}, "
                f"{member.label} on {_listed(member.evaluations)}",
                "choose runs of one protocol, all of them folds or none",
            )
        for split, name in member.evaluations.items():
            options = first.record["evaluations"][first.evaluations[split]]["options"]
            if member.record["evaluations"][name]["options"] != options:
                raise UserError(
                    f"{first.label} and {member.label} were tested in unlike ways (test-time augmentation)",
                    "test both in one way: give their 'ferbench run' commands with one --set evaluation.tta",
                )
    if not first.evaluations:
        raise UserError(f"{first.label} holds no evaluation", "give its 'ferbench run' command again")
    return tuple(split for split in ("validation", "test") if split in first.evaluations)


def aligned(members: Sequence[Member], split: str) -> tuple[tuple[str, ...], list[Predictions]]:
    """The predictions of each member for a split, samples and classes in the first member's order.

    Returns:
        The first member's class names, and the predictions.

    Raises:
        UserError: the members do not know the same samples, truths or classes.
    """
    first, *others = members
    base = first.directory.predictions(first.evaluations[split])
    class_names = _class_names(first, split)
    found = [base]
    for member in others:
        given = member.directory.predictions(member.evaluations[split])
        order = _same_samples(base.ids, given.ids, f"{split} samples", first, member)
        columns = _same_classes(class_names, _class_names(member, split), first, member)
        # columns[k]: where the member has class k; its own ids are the inverse of that.
        truth = np.argsort(columns)[given.truth[order]]
        wrong = int((truth != base.truth).sum())
        if wrong:
            raise UserError(
                f"{first.label} and {member.label} disagree on the true class of {wrong:,} {split} samples",
                "choose runs on the same labels",
            )
        found.append(
            Predictions(
                base.ids,
                base.truth,
                given.probabilities[order][:, columns],
                base.affect_truth,
                None if given.affect is None else given.affect[order],
                base.columns,
            )
        )
    digests = {one.record["evaluations"][one.evaluations[split]]["rows_digest"] for one in members}
    if split == "test" and len(digests) > 1:
        raise UserError(
            "the members' test sets have the same ids and labels, but other pixels or names of classes",
            "choose runs on one copy of the dataset",
        )
    return class_names, found


def _class_names(member: Member, split: str) -> tuple[str, ...]:
    stored = member.directory.evaluation(member.evaluations[split]) or {}
    return tuple(stored.get("class_names", member.record["data"]["class_names"]))


def _same_samples(
    base: NDArray[np.str_], given: NDArray[np.str_], what: str, first: Member, member: Member
) -> NDArray[np.int64]:
    """int64[n]: where ``given`` has each id of ``base``."""
    lacking, extra = len(np.setdiff1d(base, given)), len(np.setdiff1d(given, base))
    if lacking or extra or len(base) != len(given):
        raise UserError(
            f"{first.label} and {member.label} have unlike {what}: {lacking:,} of the first are missing in the second, "
            f"{extra:,} of the second in the first",
            "choose runs with one dataset, protocol and limits",
        )
    places = np.argsort(given, kind="stable")
    return places[np.searchsorted(given, base, sorter=places)].astype(np.int64)


def _same_classes(base: Sequence[str], given: Sequence[str], first: Member, member: Member) -> NDArray[np.int64]:
    """int64[K]: where ``given`` has each class of ``base``."""
    order = order_of_classes(base, given)
    if order is None:
        raise UserError(
            f"{first.label} knows the classes {', '.join(base)}; {member.label} {', '.join(given)}",
            "choose runs on the same classes",
        )
    return order


def _listed(evaluations: Mapping[str, str]) -> str:
    return " and ".join(evaluations) or "nothing"
