"""What a search keeps: its study, what came of it, and notes of its trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from ferbench.bounded import Damaged, from_json, read_file
from ferbench.errors import UserError
from ferbench.records.base import Count, Json, Record, Values
from ferbench.records.reading import complaint

#: Version of the layout of ``study.json``.
SCHEMA_VERSION = 1

#: How a trial ends: ``pruned`` says that its settings are bad, ``failed`` says nothing about them.
Ending = Literal["complete", "pruned", "failed"]

_Kind = TypeVar("_Kind", bound=Record)


class Samples(Record):
    """What the trials of a study learn from and are judged by."""

    train: Count
    """Training samples."""
    validation: Count
    """Validation samples."""


class Dimension(Record):
    """Something that a study searches, or that it holds at one value."""

    key: str
    """``model.dropout``, ``loss``, or ``loss.focal.gamma`` where the loss is a choice."""
    low: float | None = None
    """The smallest value of a range; null where it is none."""
    high: float | None = None
    """The largest value of a range."""
    log: bool = False
    """Values are drawn on a logarithmic scale."""
    step: float | None = None
    """Distance between two values; null: 1 for whole numbers, else any number."""
    whole: bool = False
    """Values are integers."""
    choices: list[Json] | None = None
    """The values of a choice; null for a range."""
    value: Json = None
    """The only value of an option that is not searched."""

    @property
    def is_searched(self) -> bool:
        """Whether trials differ in it."""
        return self.choices is not None or self.low is not None

    @property
    def names(self) -> list[str] | None:
        """The values of a choice, as trials have them, for people; None for a range."""
        if self.choices is None:
            return None
        return [json.dumps(choice) if isinstance(choice, (list, dict)) else str(choice) for choice in self.choices]

    @property
    def text(self) -> str:
        """The values, for people."""
        return ", ".join(self.names) if self.names is not None else f"{self.low:g} to {self.high:g}"

    @property
    def scale(self) -> str:
        """How values are drawn, for people."""
        if self.choices is not None:
            return "choice"
        parts = ["whole numbers"] * self.whole + ["logarithmic"] * self.log
        parts += [f"step {self.step:g}"] if self.step is not None else []
        return ", ".join(parts) or "linear"


class Study(Record):
    """``study.json``."""

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    """Version of the layout."""
    id: str
    """Name of its directory: twelve digits of the fingerprint of ``covers``."""
    label: str
    """What it is called: the recipe's name, or ``--name``."""
    created: str | None = None
    """When it was begun, in UTC, ISO 8601."""
    storage: str | None = None
    """Url of the database that hosts share, without its password; null for ``study.db``."""
    objectives: list[str]
    """What is made better: metrics of validation, or costs."""
    algorithm: str
    """What chooses the trials."""
    pruner: str
    """What ends hopeless trials early."""
    seed: Count | None = None
    """Of the algorithm's own draws; null: not recorded."""
    trials: Count | None = None
    """How many were asked for last; null: as many as there are by default."""
    dataset: str
    """Name of the dataset."""
    protocol: str
    """How it is split."""
    synthetic: bool = False
    """The images are generated."""
    samples: Samples
    """Of training and validation."""
    space: list[Dimension]
    """What is searched."""
    covers: Values = {}
    """What the fingerprint covers."""


class Tally(Record):
    """How many trials there are, and how they ended."""

    all: Count
    """Of any state."""
    complete: Count
    """With a value of every objective."""
    pruned: Count
    """Ended early, or diverged."""
    failed: Count
    """Without a result."""
    running: Count = 0
    """At work."""
    waiting: Count = 0
    """To be begun, or gone on with."""


class SeedRun(Record):
    """A run over one of the seeds, tested once."""

    seed: Count
    """Of the run."""
    run: str
    """Name of its directory."""


class LostSeed(Record):
    """A seed without a result."""

    seed: Count
    """Of the run."""
    reason: str = ""
    """Why there is none."""


class Finalist(Record):
    """One of the best trials, repeated over the seeds and tested."""

    rank: Count
    """From 1."""
    trial: Count
    """Its number."""
    values: list[float]
    """Of the objectives, on validation."""
    chosen: Values
    """Its values by key of the space."""
    runs: list[SeedRun]
    """The runs that were tested."""
    failed: list[LostSeed] = []
    """The seeds that have no result."""
    recipe: str | None = None
    """File in the study's directory that runs it again; null where no run is complete."""


class Outcome(Record):
    """``outcome.json``: what a search led to."""

    study: str
    """Id of the study."""
    label: str
    """What it is called."""
    objectives: list[str]
    """What was made better."""
    trials: Tally
    """Tried until then."""
    finalists: list[Finalist]
    """The best, the first in front."""

    @property
    def runs(self) -> list[str]:
        """Names of all the runs that were tested."""
        return [run.run for finalist in self.finalists for run in finalist.runs]


class ChosenBy(Record):
    """What chose the values of a trial; an attribute of it in the database."""

    algorithm: str
    """Its name; ``enqueued`` for values that somebody put in line by hand."""
    pruner: str | None = None
    """What may end the trial early."""
    seed: Count | None = None
    """Of the study."""
    draws: Count | None = None
    """The seed that Optuna's sampler was made with; null: another one each time."""
    optuna: str | None = None
    """Version of Optuna."""
    start_up: bool = False
    """It was drawn at random, as the algorithm had too little to go by."""

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.algorithm} (start-up)" if self.start_up else self.algorithm


class RepeatedTrials(Record):
    """Which trials were repeated, over which seeds."""

    trials: list[Count]
    """Numbers, the best first."""
    seeds: list[Count]
    """Of the runs."""


class RepeatedAt(Record):
    """Where the best trials were tested; an attribute of the study in a database that hosts share."""

    of: RepeatedTrials
    """Which trials."""
    at: str
    """Host and results directory."""


def read_study(path: Path) -> Study:
    """``study.json``.

    Raises:
        UserError: it is missing, damaged, or written by a newer ferbench.
    """
    where, remedy = path, "run 'ferbench tune' again to write it anew"
    try:
        plain = from_json(read_file(path))
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror or error}", remedy) from error
    except Damaged as error:
        raise UserError(f"{where} is damaged: {error}", remedy) from error
    if not isinstance(plain, dict) or plain.get("schema") != SCHEMA_VERSION:
        raise UserError(f"{where} was not written by this ferbench", "use the release that wrote it")
    try:
        return Study.model_validate(plain)
    except ValidationError as error:
        raise UserError(f"{where} is damaged: {complaint(error)}", remedy) from error


def read_as(kind: type[_Kind], path: Path) -> _Kind:
    """A file such as ``outcome.json``, as an `Outcome`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    content = read_file(path)
    from_json(content)  # which refuses what nests too deep
    return kind.model_validate_json(content)


def read_or_none(kind: type[_Kind], path: Path) -> _Kind | None:
    """What `read_as` gives; None where it is missing or damaged."""
    try:
        return read_as(kind, path)
    except (OSError, ValueError):
        return None


def chosen_by(recorded: Any) -> ChosenBy | None:
    """What chose a trial, as its database says; None: not recorded."""
    try:
        return ChosenBy.model_validate(recorded)
    except ValidationError:
        return None
