"""Which runs a run continues or is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ferbench.records.base import Count, Json, Record, lacking


class Parent(Record):
    """A run that this one started from, a member of an ensemble, or a fold of a pooled run."""

    run: str
    """Name of its directory."""
    name: str | None = None
    """As ``--name`` gave it."""
    training_id: str | None = None
    """Its training id."""
    config_id: str | None = None
    """Its configuration id."""
    at: str | None = None
    """The point whose weights were taken: ``best``, an epoch, or ``step3400``; none for a member of an ensemble."""
    epoch: Count | None = None
    """The epoch that these weights are of."""
    weights_sha256: str | None = None
    """SHA-256 of the weights' file."""
    changed: dict[str, Annotated[list[Json], Field(min_length=2, max_length=2)]] = {}
    """Settings that are not as they were there, by dotted key: old value, new value; null where there is none."""
    weight: float | None = None
    """A member's share of an ensemble; of a fold the share of the samples that it tested."""
    validation: str | None = None
    """Of a member: twelve digits of its evaluation on validation."""
    test: str | None = None
    """Of a member: twelve digits of its evaluation on the test set."""

    @model_validator(mode="after")
    def _whole(self) -> Parent:
        """A member has a weight; what weights were taken of has a point, and the epoch that it is of."""
        for key in ("at", "epoch") if self.weight is None else ():
            if getattr(self, key) is None:
                raise lacking(key)
        return self


class Lineage(Record):
    """The runs that a run comes from."""

    parents: list[Parent]
    """One for a run that started from another, all members for an ensemble, all folds for a pooled run, none for the
    others."""
    teacher: Parent | None = None
    """The run whose predictions this one learnt from, and the point of it."""

    @property
    def sources(self) -> list[Parent]:
        """All of them."""
        return [*self.parents, *([] if self.teacher is None else [self.teacher])]


class Member(Record):
    """A member of an ensemble."""

    run: str
    """Name of its directory."""
    name: str | None = None
    """As ``--name`` gave it."""
    training_id: str
    """Its training id."""
    evaluations: dict[str, str] = {}
    """Twelve digits of its evaluation by split."""
    weight: float
    """Its share."""


class Ensemble(Record):
    """What an ensemble is made of."""

    members: list[Member]
    """In the order in which they were named."""


class PooledFold(Record):
    """A run that was tested on a fold."""

    fold: str
    """``i/k``: which one of how many."""
    run: str
    """Name of its directory."""
    name: str | None = None
    """As ``--name`` gave it."""
    training_id: str
    """Its training id."""
    config_id: str
    """Its configuration id."""


class Pooled(Record):
    """The folds whose tests a pooled run joins."""

    by: str = ""
    """What stays together in one fold: ``person``, ``clip``, or which of them is known; empty: folds are cut at
    random."""
    groups: Count
    """How many of these there are; of folds at random the samples."""
    folds: list[PooledFold]
    """In their order."""
