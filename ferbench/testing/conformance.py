"""The rules as pytest cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ferbench.testing.rules import CLASS_NAMES, NotApplicable, Rule, Subject, book_of


@dataclass(frozen=True)
class Case:
    """One rule and one component; its text, such as ``my-net:batch-of-one``, serves as the id of a test.

    Attributes:
        rule: what is asked.
        on: what the rule tries.
        name: of the component.
    """

    rule: Rule
    on: Any
    name: str

    def __str__(self) -> str:
        return f"{self.name}:{self.rule.name}"

    def check(self) -> None:
        """Try the rule; a test that calls this is skipped where the rule does not apply.

        Raises:
            Violation: an ``AssertionError`` that says what is wrong; or what the component raises itself.
        """
        try:
            self.rule.check(self.on)
        except NotApplicable as reason:
            import pytest

            pytest.skip(str(reason))


def cases(
    kind: str,
    name: str,
    *,
    options: Mapping[str, object] | None = None,
    data: Path | None = None,
    plugins: Sequence[str] = (),
    image_size: int | None = None,
    class_names: Sequence[str] = CLASS_NAMES,
) -> list[Case]:
    """Every rule of a component that can fail, for ``@pytest.mark.parametrize("case", cases(…), ids=str)``.

    Args:
        kind: such as ``model``.
        name: of the component, as on the command line.
        options: of the component; the others take their defaults.
        data: the files of a dataset that reads some.
        plugins: what ``--plugin`` names: files or importable modules.
        image_size: side of a model's input; None: every size that it claims.
        class_names: of the tasks that the component is built for.

    Raises:
        UserError: there is no such component, or it is ambiguous or broken.
    """
    from ferbench.plugin.discovery import load_registry
    from ferbench.testing.every import RULES

    component = load_registry(plugins).find(kind, name)
    subject = Subject(component, dict(options or {}), data, image_size, tuple(class_names))
    book = book_of(kind)
    bench = book.bench(subject)
    rules: Iterable[tuple[Rule, Any]] = [*((rule, subject) for rule in RULES), *((rule, bench) for rule in book.rules)]
    return [Case(rule, on, component.name) for rule, on in rules if not rule.informational]


class Conformance:
    """Subclass it to hold a component to every rule of its kind, one test a rule.

    ::

        class TestMyNet(Conformance):
            kind = "model"
            name = "my-net"
            options = {"width": 8}

    Attributes:
        kind: such as ``model``.
        name: of the component, as on the command line.
        options: of the component; the others take their defaults.
        plugins: what ``--plugin`` names: files or importable modules; empty for an installed plugin.
        image_size: side of a model's input; None: every size that it claims.
        class_names: of the tasks that the component is built for.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    options: ClassVar[Mapping[str, object]] = {}
    plugins: ClassVar[Sequence[str]] = ()
    image_size: ClassVar[int | None] = None
    class_names: ClassVar[Sequence[str]] = CLASS_NAMES

    def data(self) -> Path | None:
        """The files of a dataset that reads some; override it. Called once, when the tests are collected."""
        return None

    def pytest_generate_tests(self, metafunc: Any) -> None:
        if "case" in metafunc.fixturenames:
            found = cases(
                self.kind,
                self.name,
                options=self.options,
                data=self.data(),
                plugins=self.plugins,
                image_size=self.image_size,
                class_names=self.class_names,
            )
            metafunc.parametrize("case", found, ids=lambda case: case.rule.name)

    def test_conforms(self, case: Case) -> None:
        """One rule."""
        case.check()
