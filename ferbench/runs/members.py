"""The runs of an ensemble, and their predictions brought into one order of samples and classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ferbench.errors import UserError
from ferbench.records.evaluation import EvaluationEntry
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory
from ferbench.runs.pixels import STORED
from ferbench.runs.predictions import Predictions, Unlike, aligned


@dataclass(frozen=True)
class Member:
    """One run of an ensemble.

    Attributes:
        directory: of the run.
        record: its ``run.json``.
        evaluations: twelve digits of the evaluation id by split: ``validation``, and ``test`` unless it is a fold.
    """

    directory: RunDirectory
    record: Run
    evaluations: Mapping[str, str]

    @property
    def run(self) -> str:
        return self.directory.path.name

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.record.name} ({self.run})" if self.record.name else self.run

    def entry(self, split: str) -> EvaluationEntry:
        """What its record says of its evaluation on a split."""
        return self.record.evaluations[self.evaluations[split]]

    def predictions(self, split: str) -> tuple[Predictions, tuple[str, ...]]:
        """What it predicts for a split, and the names of the classes."""
        predictions, evaluation = self.directory.tested(self.evaluations[split])
        return predictions, tuple((self.record.data if evaluation is None else evaluation).class_names)


def read_member(directory: RunDirectory) -> Member:
    """A finished run and its own evaluations; of several of one split that without test-time augmentation.

    Raises:
        UserError: the run is not done, or is an ensemble itself.
    """
    record = directory.load()
    if record.status != "done":
        raise UserError(
            f"run {directory.path.name} has no predictions: its status is '{record.status}'",
            "finish it with the same 'ferbench run' command",
        )
    if record.ensemble is not None:
        members = " ".join(member.run for member in record.ensemble.members)
        raise UserError(f"run {directory.path.name} is an ensemble itself", f"name its members: {members}")
    if record.kind == "imported":
        raise UserError(
            f"run {directory.path.name} was imported: there is no training of it to make an ensemble of",
            "average the predictions where they were made, and import that",
        )
    if record.data.test_fold is not None:
        raise UserError(
            f"run {directory.path.name} was tested on fold {record.data.test_fold.fold} alone, which is no result",
            "name the runs of all folds together: 'ferbench runs list' has them",
        )
    digests = {"validation": record.data.validation_digest, "test": record.data.test_digest}
    evaluations = {}
    for split, digest in digests.items():
        own = {
            name: entry
            for name, entry in record.evaluations.items()
            if (entry.split, entry.rows_digest) == (split, digest)
            and "options" in entry.model_fields_set
            and STORED not in entry.options
        }
        if own:
            evaluations[split] = min(own, key=lambda name: (not own[name].is_plain, name))
    return Member(directory, record, evaluations)


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
        if any(member.entry(split).options != first.entry(split).options for split in member.evaluations):
            raise UserError(
                f"{first.label} and {member.label} were tested in unlike ways (test-time augmentation)",
                "test both in one way: give their 'ferbench run' commands with one --set evaluation.tta",
            )
    if not first.evaluations:
        raise UserError(f"{first.label} holds no evaluation", "give its 'ferbench run' command again")
    return tuple(split for split in ("validation", "test") if split in first.evaluations)


def aligned_members(members: Sequence[Member], split: str) -> tuple[tuple[str, ...], list[Predictions]]:
    """The predictions of each member for a split, samples and classes in the first member's order.

    Returns:
        The first member's class names, and the predictions.

    Raises:
        UserError: the members do not know the same samples, truths or classes.
    """
    first, *others = members
    base, class_names = first.predictions(split)
    several = [base]
    for member in others:
        given, names = member.predictions(split)
        try:
            several.append(aligned(base, class_names, given, names))
        except Unlike as error:
            raise _in_words(error, first, member, split, class_names, names) from None
    if split == "test" and len({member.entry(split).rows_digest for member in members}) > 1:
        raise UserError(
            "the members' test sets have the same ids and labels, but other pixels or names of classes",
            "choose runs on one copy of the dataset",
        )
    return class_names, several


def _in_words(
    error: Unlike, first: Member, member: Member, split: str, base: Sequence[str], given: Sequence[str]
) -> UserError:
    if error.what == "samples":
        return UserError(
            f"{first.label} and {member.label} have unlike {split} samples: {len(error.missing):,} of the first are "
            f"missing in the second, {len(error.further):,} of the second in the first",
            "choose runs with one dataset, protocol and limits",
        )
    if error.what == "classes":
        return UserError(
            f"{first.label} knows the classes {', '.join(base)}; {member.label} {', '.join(given)}",
            "choose runs on the same classes",
        )
    return UserError(
        f"{first.label} and {member.label} disagree on the true class of {len(error.missing):,} {split} samples",
        "choose runs on the same labels",
    )


def _listed(splits: Iterable[str]) -> str:
    return " and ".join(splits) or "nothing"
