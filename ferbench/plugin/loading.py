"""From a plugin's module to its checked specs."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import pluggy

from ferbench.kinds import BY_NAME, KINDS
from ferbench.plugin import hookspecs, specs
from ferbench.plugin.faults import PluginFault
from ferbench.plugin.measuring import metric_fault
from ferbench.plugin.partners import spec_fault
from ferbench.plugin.specs import Spec
from ferbench.plugin.versions import spoken_by
from ferbench.wording import did_you_mean, one_line

#: Which specs each hook gives, in the order of listings.
HOOKS: Mapping[str, type[Spec]] = {kind.hook: getattr(specs, kind.spec) for kind in KINDS}

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_BUILD = re.compile(f"{_DOTTED}:{_DOTTED}")


def collect_specs(plugin: object, own_stem: str | None = None) -> tuple[Spec, ...]:
    """Call the plugin's hooks, no other plugin's, and check what they give.

    Args:
        plugin: the module or object that the entry point names.
        own_stem: for a local file the name that its specs may use for itself in ``build``.

    Raises:
        PluginFault: unknown or unmarked hook, something that is no spec, an invalid name or ``build``, or
            one name twice.
        Exception: whatever the hook raises.
    """
    if plugin is None:
        raise PluginFault("the entry point names None, not a module or object with hooks")
    spoken_by(plugin)
    hooks = pluggy.PluginManager("ferbench")  # one per plugin: what goes wrong in here stays in here
    hooks.add_hookspecs(hookspecs)
    try:
        hooks.register(plugin, name="plugin")
    except pluggy.PluginValidationError as error:
        raise PluginFault(one_line(str(error))) from error
    callers = {caller.name: caller for caller in hooks.get_hookcallers(plugin) or ()}
    _check_hook_names(plugin, callers)
    collected: list[Spec] = []
    for hook, wanted in HOOKS.items():
        if hook in callers:
            for given in callers[hook]():
                collected += [_checked(spec, hook, wanted, own_stem) for spec in _iterate(given, hook)]
    seen: set[tuple[str, str]] = set()
    for spec in collected:
        key = BY_NAME[spec.kind].section or spec.kind, spec.name
        if key in seen:
            raise PluginFault(f"two {spec.kind} specs are named '{spec.name}'")
        seen.add(key)
    return tuple(collected)


def import_file(path: Path) -> ModuleType:
    """Import a ``.py`` file without touching ``sys.path``.

    The module's name is made from the file's path and content, so the same file is imported once and a
    changed one anew. It also answers to its stem (``my_net`` for ``my_net.py``) unless that name is taken.
    """
    digest = hashlib.sha256(str(path).encode() + b"\0" + path.read_bytes()).hexdigest()[:16]
    name = f"_ferbench_local_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginFault(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    alias = path.stem if _is_free(path.stem) else None
    sys.modules[name] = module
    if alias:
        sys.modules[alias] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if alias:
            del sys.modules[alias]
        raise
    return module


def _is_free(stem: str) -> bool:
    if not stem.isidentifier():
        return False
    if stem in sys.modules:
        return sys.modules[stem].__name__.startswith("_ferbench_local_")
    return importlib.util.find_spec(stem) is None


def _check_hook_names(plugin: object, callers: Mapping[str, pluggy.HookCaller]) -> None:
    for name, caller in callers.items():
        if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
            raise PluginFault(f"unknown hook '{name}': {did_you_mean(name, HOOKS)}hooks: {', '.join(HOOKS)}")
    for name in HOOKS:
        if name not in callers and callable(getattr(plugin, name, None)):
            raise PluginFault(f"{name} lacks the decorator @ferbench.hookimpl")
    if not callers:
        raise PluginFault(f"it implements none of the hooks: {', '.join(HOOKS)}")


def _iterate(given: object, hook: str) -> Iterable[object]:
    if isinstance(given, Spec):
        raise PluginFault(f"{hook} returns one {type(given).__name__}: yield it, or return a list")
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise PluginFault(f"{hook} returns {type(given).__name__}, not specs")
    return given


def _checked(spec: object, hook: str, wanted: type[Spec], own_stem: str | None) -> Spec:
    if not isinstance(spec, wanted):
        raise PluginFault(f"{hook} yields {type(spec).__name__}, not {wanted.__name__}")
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        raise PluginFault(f"invalid {spec.kind} name {spec.name!r}: lower-case words joined by hyphens")
    where = f"{spec.kind} '{spec.name}'"
    build = spec.build
    own = own_stem is not None and isinstance(build, str) and build.rpartition(":")[0] == own_stem
    if not isinstance(build, str) or not (_BUILD.fullmatch(build) or own):
        raise PluginFault(f"{where} names nothing to build: {build!r} is not 'package.module:attribute'")
    if not isinstance(spec.summary, str):
        raise PluginFault(f"{where}: its summary is no text")
    fault = spec_fault(spec) or metric_fault(spec)
    if fault is not None:
        raise PluginFault(f"{where}: {fault}")
    return spec
