"""The rules as pytest cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ferbench.testing.rules import CLASS_NAMES, NotApplicable, Rule, Subject, rule_set, rules_of


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
    model: str | None = None,
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
        model: name of one that gives what a loss needs.

    Raises:
        UserError: there is no such component, or it is ambiguous or broken.
    """
    from ferbench.plugin.discovery import load_registry

    registry = load_registry(plugins)
    partner = None if model is None else registry.find("model", model)
    subject = Subject(registry.find(kind, name), dict(options or {}), data, image_size, tuple(class_names), partner)
    bench = rule_set(kind).bench(subject)
    return [Case(rule, subject if rule.every else bench, name) for rule in _that_can_fail(kind)]


def _that_can_fail(kind: str) -> list[Rule]:
    return [rule for rule in rules_of(kind) if not rule.informational]


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
        model: name of one that gives what a loss needs in ``extra``.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    options: ClassVar[Mapping[str, object]] = {}
    plugins: ClassVar[Sequence[str]] = ()
    image_size: ClassVar[int | None] = None
    class_names: ClassVar[Sequence[str]] = CLASS_NAMES
    model: ClassVar[str | None] = None
    _cases: ClassVar[dict[str, Case]]

    def data(self, folder: Path) -> Path | None:
        """The files of a dataset that reads some: override it. It may make them in ``folder``, which is empty."""
        return None

    def pytest_generate_tests(self, metafunc: Any) -> None:
        if "rule" in metafunc.fixturenames:
            metafunc.parametrize("rule", _that_can_fail(self.kind), ids=lambda rule: rule.name)

    def test_conforms(self, rule: Rule, tmp_path_factory: Any) -> None:
        """One rule."""
        own = type(self)
        if "_cases" not in vars(own):  # what takes long to build is built once for all rules
            data = self.data(tmp_path_factory.mktemp("data"))
            tried = cases(
                own.kind,
                own.name,
                options=own.options,
                data=data,
                plugins=own.plugins,
                image_size=own.image_size,
                class_names=own.class_names,
                model=own.model,
            )
            own._cases = {case.rule.name: case for case in tried}
        own._cases[rule.name].check()
