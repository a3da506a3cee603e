"""Looking up components by the names that users type."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ferbench.errors import UserError
from ferbench.kinds import BY_NAME
from ferbench.plugin.component import Component, PluginRecord
from ferbench.plugin.ours import ELSEWHERE, to_install
from ferbench.wording import did_you_mean, one_line


def canonical(distribution: str) -> str:
    """A distribution's name as PyPI compares it: ``My_Plugin`` and ``my-plugin`` are one."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@dataclass(frozen=True)
class Registry:
    """Every plugin that was found, and what the working ones offer.

    Attributes:
        plugins: the records, built-ins first, broken ones among them.
        excluded: distributions that ``FERBENCH_PLUGINS`` leaves out.
    """

    plugins: tuple[PluginRecord, ...]
    excluded: tuple[str, ...] = ()

    def components(self, kind: str | None = None) -> list[Component]:
        """The components of one kind, or of all, by kind and name."""
        return [one for one in self._components if kind in (None, one.kind, one.spec.kind)]

    @cached_property
    def _components(self) -> list[Component]:
        """One object each, which keeps the options that it read."""
        offered = [
            Component(BY_NAME[spec.kind].section or spec.kind, spec, plugin)
            for plugin in self.plugins
            for spec in plugin.components
        ]
        order = list(BY_NAME)
        return sorted(offered, key=lambda c: (order.index(c.spec.kind), c.name, canonical(c.distribution)))

    def broken(self) -> list[PluginRecord]:
        """The plugins that could not be loaded."""
        return [plugin for plugin in self.plugins if plugin.status == "broken"]

    def ambiguous(self) -> set[tuple[str, str]]:
        """(kind, name) of components that more than one plugin offers."""
        seen: set[tuple[str, str]] = set()
        twice: set[tuple[str, str]] = set()
        for component in self.components():
            key = (component.kind, component.name)
            (twice if key in seen else seen).add(key)
        return twice

    def find(self, kind: str | None, name: str) -> Component:
        """The component that ``name`` or ``distribution:name`` means.

        Args:
            kind: a kind of `ferbench.kinds`, or None to search them all.
            name: what the user typed.

        Raises:
            UserError: unknown (with the nearest name, the choices and the broken plugins that might own it),
                offered by two plugins, or of a broken plugin.
        """
        if kind is not None and kind not in BY_NAME:
            raise ValueError(f"no such kind of component: {kind!r}")
        owner, _, bare = name.rpartition(":")
        matching = [
            component
            for component in self.components(kind)
            if component.name == bare and (not owner or canonical(component.distribution) == canonical(owner))
        ]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise _ambiguous(name, matching)
        raise self._unknown(kind, owner, bare)

    def _unknown(self, kind: str | None, owner: str, bare: str) -> UserError:
        what = f"{kind or 'component'} '{one_line(f'{owner}:{bare}' if owner else bare)}'"
        for plugin in self.broken():
            if canonical(owner or bare) in (canonical(plugin.distribution), canonical(plugin.name)):
                subject = f"{what} cannot be used: plugin {plugin.title}" if owner else f"plugin {plugin.title}"
                return UserError(f"{subject} is broken: {plugin.error}", _mend(plugin))
        known = self.components(kind)
        if owner and canonical(owner) in map(canonical, self.excluded):
            return UserError(
                f"unknown {what}: FERBENCH_PLUGINS leaves {owner} out",
                f"add {owner} to FERBENCH_PLUGINS, or unset it",
            )
        if owner:
            owned = [component for component in known if canonical(component.distribution) == canonical(owner)]
            owners = sorted({component.distribution for component in known})
            if not owned:
                return UserError(
                    f"unknown {what}: no plugin of '{one_line(owner)}' offers a {kind or 'component'}",
                    f"{did_you_mean(owner, owners)}distributions: {', '.join(owners) or 'none'}",
                )
            known = owned
        if (
            (install := to_install(kind, bare)) is not None
            and owner in ("", ELSEWHERE.get((kind or "", bare)))
            and not self.excluded
        ):
            return UserError(f"{what} is not installed", install)
        names = list(dict.fromkeys(component.name for component in known))
        remedy = f"{did_you_mean(bare, names)}choices: {', '.join(names) or 'none'}"
        elsewhere = [component.kind for component in self.components() if component.name == bare]
        if elsewhere:
            remedy = f"'{bare}' is a {elsewhere[0]}; {remedy}"
        if self.broken():
            causes = "; ".join(f"{plugin.title}: {plugin.error}" for plugin in self.broken())
            remedy += f". It may belong to a broken plugin: {causes}"
        if self.excluded:
            remedy += f". FERBENCH_PLUGINS leaves out: {', '.join(self.excluded)}"
        return UserError(f"unknown {what}", remedy)


def _ambiguous(name: str, clashing: list[Component]) -> UserError:
    kinds = list(dict.fromkeys(component.kind for component in clashing))
    if len(kinds) > 1:
        message = f"'{name}' names components of several kinds: {_listed(kinds, 'and')}"
        return UserError(message, f"say {_listed((f'--kind {kind}' for kind in kinds), 'or')}")
    owners = _listed((f"{c.distribution} {c.version} ({c.plugin.origin})" for c in clashing), "and")
    message = f"{kinds[0]} '{name}' is offered by {len(clashing)} plugins: {owners}"
    qualified = list(dict.fromkeys(component.qualified_name for component in clashing))
    if len(qualified) < len(clashing):
        return UserError(message, "rename one of the plugins, or leave one out")
    return UserError(message, f"say {_listed(map(repr, qualified), 'or')}")


def _listed(words: Iterable[str], joiner: str) -> str:
    *most, last = words
    return f"{', '.join(most)} {joiner} {last}" if most else last


def _mend(plugin: PluginRecord) -> str:
    module = plugin.origin.partition(":")[0]
    return f'install what it lacks or mend it; `python -c "import {module}"` shows where an import fails'
