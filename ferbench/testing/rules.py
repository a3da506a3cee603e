"""Rules that a component is held to, and what came of trying one."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ferbench.errors import UserError
from ferbench.kinds import BY_NAME, WITH_RULES
from ferbench.plugin.component import Component
from ferbench.plugin.faults import describe, is_fault
from ferbench.wording import one_line

Status = Literal["passed", "failed", "skipped", "noted"]

#: The classes of the tasks that components are built for, unless the caller names others; options that take class names
#: (weights, emphasis) can be checked with them.
CLASS_NAMES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


class Violation(AssertionError):
    """A component does not do what a rule asks; one line."""


class NotApplicable(Exception):
    """A rule does not concern this component, or cannot be tried here; one line."""


@dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes:
        component: the component.
        options: its options as a recipe gives them; the others take their defaults.
        data: the files of a dataset that needs some.
        image_size: side of a model's input in pixels; None: every size that it claims.
        class_names: of the tasks that it is built for.
        partner: a model that gives what a loss needs, with its options at their defaults.
    """

    component: Component
    options: Mapping[str, object] = field(default_factory=dict)
    data: Path | None = None
    image_size: int | None = None
    class_names: tuple[str, ...] = CLASS_NAMES
    partner: Component | None = None

    def build(self, *args: Any, **given: Any) -> Any:
        """Call the component's builder as a run does."""
        arguments = self.component.options().arguments(self.options, self.component.kind)
        return self.component.builder()(*args, **given, **arguments)

    def build_callable(self, *args: Any) -> Any:
        """The same, of a kind whose builders return something that can be called."""
        built = self.build(*args)
        if not callable(built):
            raise Violation(f"the builder returns {type(built).__name__}, which cannot be called")
        return built


@dataclass(frozen=True)
class Rule:
    """One thing that every component of a kind must do.

    Attributes:
        name: lower-case words joined by hyphens.
        summary: one line, what the rule asks.
        check: tries a bench; returns a note or None, raises `Violation` or `NotApplicable`, or whatever the component
            raises, which is a violation too.
        gate: whether the rules after it make no sense when it is broken.
        informational: whether it can only note something, never fail.
        every: whether it is for all kinds, and tries the `Subject` itself instead of a bench of its kind.
    """

    name: str
    summary: str
    check: Callable[[Any], str | None]
    gate: bool = False
    informational: bool = False
    every: bool = False


class RuleSet:
    """The rules of one kind of component, in the order in which they are tried.

    Args:
        bench: makes of a `Subject` what the rules work with; it may keep what is costly to build.
    """

    def __init__(self, bench: Callable[[Subject], Any]) -> None:
        self.bench = bench
        self.rules: list[Rule] = []

    def rule(
        self, *, gate: bool = False, informational: bool = False
    ) -> Callable[[Callable[[Any], str | None]], Callable[[Any], str | None]]:
        """Enter a function; its name and the first line of its docstring are the rule's."""

        def enter(check: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
            summary = (check.__doc__ or "").strip().splitlines()[0].rstrip(".")
            self.rules.append(Rule(check.__name__.replace("_", "-"), summary, check, gate, informational))
            return check

        return enter


def stored(state: Any, values: str = "plain values, arrays and tensors") -> Any:
    """A state as it comes back from a checkpoint.

    Args:
        state: what ``state_dict()`` gives.
        values: that it may hold, in words.

    Raises:
        Violation: it holds others.
    """
    from ferbench.training import storable

    tensors: dict[str, Any] = {}
    try:
        return storable.unpack(storable.pack(state, tensors, "state_dict()"), tensors)
    except storable.NotStorable as error:
        raise Violation(f"its state cannot be stored: {error}; give {values}") from error


@dataclass(frozen=True)
class Verdict:
    """What came of trying a rule.

    Attributes:
        rule: the rule's name.
        summary: what it asks.
        status: ``passed``, ``failed``, ``skipped`` (it could not be tried) or ``noted`` (for information).
        said: the cause, or a note; may be empty.
        seconds: how long it took.
    """

    rule: str
    summary: str
    status: Status
    said: str
    seconds: float


def rule_set(kind: str) -> RuleSet:
    """The rules of a kind.

    Raises:
        UserError: there are none.
    """
    module = BY_NAME[kind].rules if kind in BY_NAME else None
    if module is None:
        raise UserError(f"there are no rules for a {kind}", f"check a {', '.join(WITH_RULES)}")
    return importlib.import_module(module).RULES


def rules_of(kind: str) -> list[Rule]:
    """Every rule of a kind, those that all kinds share first."""
    from ferbench.testing.every import RULES

    return [*RULES, *rule_set(kind).rules]


def check(subject: Subject, informational: bool = True) -> Iterator[Verdict]:
    """Try every rule of a component, one after the other; ``informational`` False leaves out what cannot fail.

    Nothing that the component raises ends the check but ``KeyboardInterrupt``. When a rule fails without which the
    others make no sense, those are skipped.
    """
    kind = subject.component.spec.kind
    bench = rule_set(kind).bench(subject)
    closed: str | None = None
    for rule in rules_of(kind):
        if rule.informational and not informational:
            continue
        if closed is not None:
            yield Verdict(rule.name, rule.summary, "skipped", f"it takes what '{closed}' asks", 0.0)
            continue
        verdict = _try(rule, subject if rule.every else bench)
        if verdict.status == "failed" and rule.gate:
            closed = rule.name
        yield verdict


def failed(verdicts: Iterable[Verdict]) -> list[str]:
    """The names of the rules that are broken."""
    return [verdict.rule for verdict in verdicts if verdict.status == "failed"]


def _try(rule: Rule, on: Any) -> Verdict:
    start = time.perf_counter()
    status: Status = "noted" if rule.informational else "passed"
    try:
        note = rule.check(on) or ""
    except NotApplicable as reason:
        status, note = "skipped", str(reason)
    except BaseException as error:
        if not is_fault(error):
            raise
        status = "noted" if rule.informational else "failed"
        note = str(error) if isinstance(error, Violation) else describe(error)
        if isinstance(error, UserError):
            note = f"{error.message} ({error.remedy})"
    return Verdict(rule.name, rule.summary, status, one_line(note), time.perf_counter() - start)
