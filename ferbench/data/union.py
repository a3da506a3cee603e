"""Several datasets as one: the first, and what the others add to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import annotated_types as at

from ferbench.data.expressions import class_key
from ferbench.data.sample import Dataset, Fault, Fit, Sample
from ferbench.errors import UserError
from ferbench.plugin.specs import DatasetSpec, Protocol


@dataclass(frozen=True)
class Member:
    """One of the datasets that are joined.

    Attributes:
        name: what its samples are marked with.
        dataset: where they come from.
        train: its parts for training, which it supplements the first member's with.
    """

    name: str
    dataset: Dataset
    train: tuple[str, ...]


class Union(Dataset):
    """Datasets joined by the names of their classes.

    Samples of the first member keep their ids and parts, so that its test set is the same as without the others. Ids,
    parts, subjects and clips of the others begin with ``<member>:``. Classes are one where their names mean one
    expression (``Anger`` and ``angry``), in the spelling of the member that comes first; a class that only one member
    has is kept. Images are gray or RGB as the first member's are.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        supplement: Annotated[tuple[str, ...], at.MinLen(1)] | None = None,
        size: Annotated[int, at.Interval(ge=8, le=4096)] | None = None,
        fit: Fit = "stretch",
    ) -> None:
        """
        Args:
            members: the datasets; the first is the one that the others add to.
            supplement: take only these classes from the others, and only for training; None: all that they have.
            size: side in pixels that images are resampled to; None: that of the first member which states one.
            fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
                leaves black margins, ``crop`` keeps it and takes the middle.

        Raises:
            UserError: a class of ``supplement`` that no other member has, one class under two names in a member, or a
                member that is to be resampled to another size or in another way, or whose labels alone are drawn.
        """
        self._members = tuple(members)
        self._supplement = None if supplement is None else {class_key(name): name for name in supplement}
        self._spelling: dict[str, str] = {}
        for member in self._members:
            for name in self._classes_from(member):
                self._spelling.setdefault(class_key(name), name)
        self.class_names = tuple(sorted(self._spelling.values()))
        self.vote_names = tuple(dict.fromkeys(name for member in members for name in member.dataset.vote_names))
        self.draws_labels = members[0].dataset.draws_labels
        self._check_supplement()
        self.channels = members[0].dataset.channels
        sizes = [member.dataset.stored_size or member.dataset.native_size for member in members]
        self.stored_size = (size, size) if size is not None else next(filter(None, sizes), None)
        self.fit = fit
        adding = members if supplement is None else members[:1]
        self.least_count = sum(member.dataset.least_count for member in adding)
        chosen = size is not None or any(member.dataset.stored_size is not None for member in members)
        self.size_follows = not chosen and fit == "stretch"
        for member in self._members:
            self._check_member(member)
        self._notes: dict[str, Any] = {"joined": [member.name for member in members], "lacking": self._lacking()}
        if supplement is not None:
            self._notes["supplement"] = list(supplement)

    @property
    def notes(self) -> Mapping[str, Any]:
        """The members and the classes that they lack; once ``samples`` has run, images and notes of each."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        return {
            "members": [
                {
                    "name": member.name,
                    "class_names": list(member.dataset.class_names),
                    "native_size": member.dataset.native_size,
                    "train": list(member.train),
                    "source": dict(member.dataset.source()),
                }
                for member in self._members
            ],
            "supplement": None if self._supplement is None else sorted(self._supplement),
        }

    def samples(self) -> Iterator[Sample | Fault]:
        images = dict.fromkeys((member.name for member in self._members), 0)
        for member in self._members:
            order = [self._spelling.get(class_key(name)) for name in member.dataset.class_names]
            for item in member.dataset.samples():
                if isinstance(item, Fault):
                    yield item
                elif self._wanted(member, item):
                    images[member.name] += 1
                    yield self._joined(member, item, order)
        self._notes |= {
            "images": images,
            "members": {member.name: dict(member.dataset.notes) for member in self._members},
        }

    def _is_first(self, member: Member) -> bool:
        return member is self._members[0]

    def _classes_from(self, member: Member) -> list[str]:
        """The classes that a member brings."""
        names = list(member.dataset.class_names)
        meanings = {class_key(name): name for name in names}
        if len(meanings) < len(names):
            twice = [name for name in names if meanings[class_key(name)] != name]
            raise UserError(
                f"classes '{twice[0]}' and '{meanings[class_key(twice[0])]}' of '{member.name}' mean one expression",
                "give them one name in that dataset",
            )
        if self._is_first(member) or self._supplement is None:
            return names
        return [name for name in names if class_key(name) in self._supplement]

    def _check_supplement(self) -> None:
        offered = {class_key(name) for member in self._members[1:] for name in member.dataset.class_names}
        for meaning, name in (self._supplement or {}).items():
            if meaning not in offered:
                others = " or ".join(f"'{member.name}'" for member in self._members[1:])
                raise UserError(
                    f"dataset.supplement names '{name}', which {others} does not have",
                    f"choose among: {', '.join(sorted(offered))}",
                )

    def _check_member(self, member: Member) -> None:
        dataset = member.dataset
        if dataset.draws_labels != self.draws_labels:
            drawing = next(each.name for each in self._members if each.dataset.draws_labels)
            raise UserError(
                f"labels of '{drawing}' are drawn by votes in each epoch, and those of another dataset are not",
                "choose another labelling of it, such as dataset.labels=crossentropy",
            )
        if dataset.stored_size is not None and (dataset.stored_size != self.stored_size or dataset.fit != self.fit):
            raise UserError(
                f"'{member.name}' is to be resampled on its own (size or fit), and all of a union in one way",
                "give dataset.size and dataset.fit for the union instead",
            )

    def _lacking(self) -> dict[str, list[str]]:
        has = {member.name: {class_key(name) for name in self._classes_from(member)} for member in self._members}
        return {
            member.name: absent
            for member in self._members
            if (absent := [name for name in self.class_names if class_key(name) not in has[member.name]])
        }

    def _wanted(self, member: Member, sample: Sample) -> bool:
        if self._supplement is None or self._is_first(member):
            return True
        return sample.part in member.train and class_key(sample.label) in self._supplement

    def _joined(self, member: Member, sample: Sample, order: Sequence[str | None]) -> Sample:
        votes = sample.votes
        if votes is not None and len(votes) == len(order):
            by_name = dict(zip(order, votes, strict=True))
            votes = tuple(by_name.get(name, 0.0) for name in self.class_names)
            votes = votes if any(votes) else None
        cast = sample.cast_votes
        if cast is not None and len(cast) == len(member.dataset.vote_names):
            counted = dict(zip(member.dataset.vote_names, cast, strict=True))
            cast = tuple(counted.get(name, 0.0) for name in self.vote_names)
        sample = replace(
            sample,
            label=self._spelling.get(class_key(sample.label), sample.label),
            votes=votes,
            cast_votes=cast,
            source=member.name,
            native_size=sample.native_size or member.dataset.native_size,
        )
        if self._is_first(member):
            return sample
        return replace(
            sample,
            id=_marked(member.name, sample.id),
            part=_marked(member.name, sample.part),
            subject=None if sample.subject is None else _marked(member.name, sample.subject),
            clip=None if sample.clip is None else _marked(member.name, sample.clip),
        )


def union_protocols(members: Sequence[tuple[str, DatasetSpec]], *, supplemented: bool) -> tuple[Protocol, ...]:
    """The protocols of a union: those of the first member, with what the others' first protocols learn from.

    Under the first member's name of a protocol, validation and test are its own, so that results compare with those of
    the first member alone. With ``-all`` behind it, validation and test are of every member; there is none if the
    others only supplement.

    Args:
        members: names and specs; the first is the one that the others add to.
        supplemented: whether the others give single classes for training alone.
    """
    (_, first), *rest = members
    others = [(name, spec.protocols[0]) for name, spec in rest]
    learnt = tuple(_marked(name, part) for name, protocol in others for part in protocol.train + protocol.train_only)
    added = " and ".join(name for name, _ in rest)
    protocols = [
        replace(
            protocol,
            train_only=protocol.train_only + learnt,
            summary=f"{protocol.summary or protocol.name}; {added} for training alone",
        )
        for protocol in first.protocols
    ]
    if not supplemented:
        protocols += [_on_all(protocol, others) for protocol in first.protocols if protocol.test]
    return tuple(protocols)


def _on_all(protocol: Protocol, others: Sequence[tuple[str, Protocol]]) -> Protocol:
    everyone = [protocol, *(other for _, other in others)]

    def of_all(field: str) -> tuple[str, ...]:
        theirs = [_marked(name, part) for name, other in others for part in getattr(other, field)]
        return (*getattr(protocol, field), *theirs)

    return Protocol(
        f"{protocol.name}-all",
        train=of_all("train"),
        validation=of_all("validation") if all(each.validation for each in everyone) else (),
        test=of_all("test"),
        cut_if_missing=any(each.cut_if_missing for each in everyone),
        train_only=of_all("train_only"),
        group_by=next((each.group_by for each in everyone if each.group_by is not None), None),
        summary=f"as {protocol.name}, but validated and tested on all members",
    )


def _marked(member: str, text: str) -> str:
    return f"{member}:{text}"
