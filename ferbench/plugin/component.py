"""A plugin's record, and a component that knows which plugin it came from."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError, is_out_of_memory, out_of_memory
from ferbench.kinds import BY_NAME
from ferbench.plugin.culprit import remember
from ferbench.plugin.faults import describe, is_fault
from ferbench.plugin.guard import apart
from ferbench.plugin.source import Root, digest_sources, source_roots, with_imported
from ferbench.plugin.specs import Spec
from ferbench.version import API_VERSION
from ferbench.wording import did_you_mean

if TYPE_CHECKING:
    from ferbench.plugin.options import OptionSchema


#: The distribution whose entries always load.
BUILT_IN = "ferbench"


class UnusableComponent(UserError):
    """A component whose plugin could be loaded, but whose builder or options cannot be used."""


#: `PluginRecord.digests` of the built-in plugins, which every registry of a process loads.
_DIGESTS: dict[tuple[Root, ...], str | None] = {}


@dataclass(frozen=True)
class PluginRecord:
    """What is known of one plugin, broken or not.

    Attributes:
        name: the entry point's name, or the local file's stem or module's name.
        distribution: the installed distribution; for a local plugin the same as ``name``.
        version: the distribution's version; "local" for a local plugin.
        origin: the module (and attribute) that the entry point names, or the path of the local file.
        status: "ok" or "broken".
        error: the cause in one line when broken.
        seconds: how long the import and the hooks took.
        components: the specs that its hooks gave; empty when broken.
        module: name of the loaded module in ``sys.modules``.
        file: the local file, if it is one.
        local: whether it was given with ``--plugin``.
        api: the version of the plugin interface that it speaks, see `ferbench.plugin.versions`.
        digests: of the sources that were asked for, by where they lie: what was loaded does not change any more.
    """

    name: str
    distribution: str
    version: str
    origin: str
    status: str = "ok"
    error: str | None = None
    seconds: float = 0.0
    components: tuple[Spec, ...] = ()
    module: str = ""
    file: Path | None = None
    local: bool = False
    api: int = API_VERSION
    digests: dict[tuple[Root, ...], str | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def title(self) -> str:
        """Name, distribution and version for a message."""
        if self.local:
            return f"'{self.name}' ({self.origin})" if self.file else f"'{self.name}' (local)"
        return f"'{self.name}' ({self.distribution} {self.version})"

    def source_of(self, module: str = "") -> str | None:
        """SHA-256 of the source of the plugin and of a module that it names, and of what they import, see
        `ferbench.plugin.source`; None where there is no source."""
        own = [Root(self.file.name, self.file)] if self.file is not None else source_roots(self.module)
        roots = tuple(dict.fromkeys([*own, *(source_roots(module) if module else [])]))
        digests = _DIGESTS if self.distribution == BUILT_IN else self.digests
        if roots not in digests:
            digests[roots] = digest_sources(with_imported(roots, self.distribution))
        return digests[roots]


@cache
def _built_in_options(builder: Callable[..., Any], skip: tuple[str, ...], given: int, owner: str) -> OptionSchema:
    """`OptionSchema.of` a built-in component, which is the same in every registry of a process."""
    from ferbench.plugin.options import OptionSchema

    return OptionSchema.of(builder, skip, given, owner)


@dataclass(frozen=True)
class Component:
    """Something that a plugin offers: a spec and where it came from.

    Attributes:
        kind: that it is chosen as; an estimator is chosen as a model, and only its spec is of another kind.
        spec: the plugin's description.
        plugin: where it came from.
    """

    kind: str
    spec: Spec
    plugin: PluginRecord

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def distribution(self) -> str:
        return self.plugin.distribution

    @property
    def version(self) -> str:
        return self.plugin.version

    @property
    def api(self) -> int:
        """The version of the plugin interface that its plugin speaks."""
        return self.plugin.api

    @property
    def qualified_name(self) -> str:
        """``distribution:name``, which is unique where the bare name is not."""
        return f"{self.distribution}:{self.name}"

    @property
    def where(self) -> str:
        """What to call the component in a message, such as ``model 'basic-cnn'``."""
        return f"{self.kind} '{self.name}'"

    @property
    def title(self) -> str:
        """The same with its plugin: ``model 'arc-net' of plugin 'arc' (arc-margin 0.2.0)``."""
        return f"{self.where} of plugin {self.plugin.title}"

    def apart(self, doing: str) -> AbstractContextManager[None]:
        """While its plugin's code is ``doing`` something ("being built"), see `ferbench.plugin.guard.apart`."""
        return apart("" if self.distribution == BUILT_IN else f"{self.title} is still {doing}")

    def builder(self) -> Callable[..., Any]:
        """Import the function or class that builds the component.

        Raises:
            UserError: the module cannot be imported or lacks the attribute; names the plugin and the cause.
        """
        module_name, _, attribute = self.spec.build.rpartition(":")
        file = self.plugin.file
        own = file is not None and module_name == file.stem  # even where another module has that name
        try:
            with self.apart("being imported"):
                module = importlib.import_module(self.plugin.module if own else module_name)
        except BaseException as error:
            if not is_fault(error):
                raise
            if is_out_of_memory(error):
                raise out_of_memory(error) from error
            raise self._unusable(describe(error, module_name)) from error
        try:
            built = reduce(getattr, attribute.split("."), module)
        except AttributeError:
            hint = did_you_mean(attribute, (name for name in vars(module) if not name.startswith("_")))
            cause = f"module '{module_name}' has no '{attribute}'" + (f" ({hint.strip()})" if hint else "")
            raise self._unusable(cause) from None
        if not callable(built):
            raise self._unusable(f"'{self.spec.build}' is {type(built).__name__}, not a function or class")
        remember(self)
        return built

    @property
    def whom(self) -> str:
        """What to do about a fault of it."""
        return "correct the plugin" if self.plugin.local else f"tell the authors of {self.distribution}"

    def options(self) -> OptionSchema:
        """The options of the builder's signature.

        Raises:
            UserError: the builder cannot be imported, or its signature cannot be read as options.
        """
        return self._options

    @cached_property
    def _options(self) -> OptionSchema:
        from ferbench.plugin.options import OptionSchema

        builder = self.builder()
        if self.kind == "command":  # its options are click's
            return OptionSchema.of(lambda: None)
        read = _built_in_options if self.distribution == BUILT_IN else OptionSchema.of
        try:
            skip = ("seed", *self._named())
            return read(builder, skip, given=BY_NAME[self.spec.kind].given, owner=self.where)
        except (TypeError, ValueError) as error:
            raise self._unusable(str(error)) from error

    def _named(self) -> tuple[str, ...]:
        """What the harness gives by name: parameters without a default. One with a default is an option, as are all of
        plugins that were written before there was anything to give."""
        if self.api < 2:
            return ()
        parameters = inspect.signature(self.builder()).parameters
        asked = [name for name in BY_NAME[self.spec.kind].named if name in parameters]
        return tuple(name for name in asked if parameters[name].default is inspect.Parameter.empty)

    def asked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Of what the harness can give by name, what the builder wants."""
        named = self._named()
        return {name: value for name, value in given.items() if name in named}

    def source_hash(self) -> str | None:
        """SHA-256 over the source of the plugin, with the module that holds the builder, see
        `PluginRecord.source_of`; None where there is none to read, and the version has to identify it."""
        file, module_name = self.plugin.file, self.spec.build.rpartition(":")[0]
        own = file is not None and module_name in (file.stem, self.plugin.module)
        digest = self.plugin.source_of("" if own else module_name)
        if digest is None and self.plugin.local:
            raise self._unusable("no Python source to identify it by")
        return digest

    def _unusable(self, cause: str) -> UnusableComponent:
        remedy = "fix the plugin" if self.plugin.local else f"tell the authors of {self.distribution}"
        if cause.startswith("missing dependency"):
            remedy = f"install the missing package beside {self.distribution}"
        return UnusableComponent(f"{self.title} cannot be used: {cause}", remedy)
