"""Several preprocessing steps, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ferbench.errors import UserError
from ferbench.experiment.recipe import Component as Asked
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.discovery import Component, PluginRecord, Registry
from ferbench.plugin.specs import PreprocessingSpec
from ferbench.records.run import Component as Used
from ferbench.version import __version__

#: What puts steps in a row is no plugin.
_HARNESS = PluginRecord(
    name="ferbench", distribution="ferbench", version=__version__, origin=__name__, module="ferbench.experiment.chain"
)


@dataclass(frozen=True)
class Chain(ChosenComponent):
    """Steps that a recipe joins with ``+``; it has no options but theirs.

    Attributes:
        members: the steps with their own options, by the names that the recipe gives them, in their order.
    """

    members: Mapping[str, ChosenComponent] = field(default_factory=dict)

    @classmethod
    def of(cls, members: Mapping[str, ChosenComponent]) -> Chain:
        """The chain of these steps."""
        spec = PreprocessingSpec("+".join(members), build=f"{__name__}:no_options")
        return cls(Component("preprocessing", spec, _HARNESS), {}, members)

    def describe(self) -> Used:
        # The steps have the source that counts.
        members = {name: member.describe() for name, member in self.members.items()}
        return Used(name=self.component.name, distribution="ferbench", version=__version__, options={}, members=members)

    def identify(self) -> dict[str, object]:
        members = [member.identify() for member in self.members.values()]
        return {"name": self.component.name, "options": {}, "members": members}

    def check_files(self) -> None:
        for member in self.members.values():
            member.check_files()


def no_options() -> None:
    """A chain is built of its steps."""


def chain(asked: Asked, registry: Registry) -> Chain:
    """The steps that ``a+b`` names. A table of options under a step's name is that step's.

    Raises:
        UserError: a step is named twice or does not exist, or what is said of it is wrong.
    """
    names = [name.strip() for name in asked.name.split("+")]
    if len(set(names)) < len(names) or not all(names):
        raise UserError(
            f"preprocessing '{asked.name}' names a step twice, or none", "join steps as in centre-crop+equalize"
        )
    _refuse_others(asked.options, names)
    members = {}
    for name in names:
        component = registry.find("preprocessing", name)
        given = asked.options.get(name, {})
        if not isinstance(given, dict):
            raise UserError(
                f"preprocessing.{name} is no table", f"write the options of '{name}' under [preprocessing.{name}]"
            )
        members[name] = ChosenComponent(component, component.options().validate(given, f"preprocessing.{name}"))
    return Chain.of(members)


def _refuse_others(given: Mapping[str, object], names: Sequence[str]) -> None:
    """Refuse options that belong to none of the steps."""
    for option in given:
        if option not in names:
            raise UserError(
                f"preprocessing.{option} is an option of none of the steps in a row",
                f"give it under the step's name, such as [preprocessing.{names[0]}]",
            )
