"""Which plugins are there, and what do they offer?

Plugins come through the entry-point group ``ferbench`` (the built-ins too) and through ``--plugin``. Each is
loaded inside its own try: a broken one becomes a record with its cause and one warning, never a crash.

Environment: ``FERBENCH_PLUGINS`` unset loads every installed plugin, ``''`` only the built-ins, ``a,b`` only
the built-ins and these (names of entry points or distributions). ``FERBENCH_STRICT_PLUGINS=1`` makes a broken
plugin an error, and one name in two plugins too: for CI.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from ferbench.errors import UserError
from ferbench.metrics.measures import offer
from ferbench.plugin.component import BUILT_IN, Component, PluginRecord
from ferbench.plugin.faults import PluginFault, describe, is_fault
from ferbench.plugin.guard import apart
from ferbench.plugin.loading import collect_specs, import_file
from ferbench.plugin.measuring import measure_of
from ferbench.plugin.registry import Registry, canonical
from ferbench.plugin.specs import MetricSpec
from ferbench.plugin.versions import not_spoken, spoken_by
from ferbench.wording import did_you_mean, one_line

__all__ = ["Component", "PluginRecord", "Registry", "load_registry"]

GROUP = "ferbench"


def warn_on_stderr(line: str) -> None:
    """Print a warning as one line on stderr, where that is still there."""
    with contextlib.suppress(OSError, ValueError):
        print(f"warning: {line}", file=sys.stderr, flush=True)


def load_registry(
    local: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    warn: Callable[[str], None] = warn_on_stderr,
) -> Registry:
    """Load every plugin that the environment and ``local`` ask for.

    Args:
        local: what ``--plugin`` names: ``.py`` files or importable modules.
        environ: where ``FERBENCH_PLUGINS`` and ``FERBENCH_STRICT_PLUGINS`` are read from.
        warn: is given one line for each broken plugin.

    Raises:
        UserError: a local plugin that fails, an unknown name in ``FERBENCH_PLUGINS``, or in strict mode any
            broken plugin or clash.
    """
    chosen, excluded = _choose(list(_installed()), environ)
    records = [_load(candidate) for candidate in chosen]
    strict = environ.get("FERBENCH_STRICT_PLUGINS", "").strip().lower() not in ("", "0", "false", "no")
    for record in records:
        if record.status == "broken":
            if strict:
                raise UserError(
                    f"plugin {record.title} is broken: {record.error}",
                    "mend or uninstall it, or unset FERBENCH_STRICT_PLUGINS to go on without it",
                )
            warn(f"plugin {record.title} is broken and left out: {record.error}")
    for name in dict.fromkeys(local):
        record, load = _local(name)
        if record.file is None and record.module in {r.module for r in records if r.status == "ok"}:
            continue  # it is installed too, and loaded already
        if record.file is not None and record.file in map(_file_of, records):
            continue
        record = _load((record, load))
        if record.status == "broken":
            raise UserError(f"--plugin {name}: {record.error}", _remedy(record))
        records.append(record)
    registry = Registry(tuple(records), tuple(dict.fromkeys(record.distribution for record in excluded)))
    offer(measure_of(spec) for record in records for spec in record.components if isinstance(spec, MetricSpec))
    if strict:
        for kind, name in sorted(registry.ambiguous()):
            registry.find(kind, name)  # raises, naming both
    return registry


#: A plugin that is not loaded yet, and what imports it.
_Candidate = tuple[PluginRecord, Callable[[], object]]


def _installed() -> Iterator[_Candidate]:
    # Not importlib.metadata.entry_points(): one malformed file of one distribution breaks all of that.
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        problem = None
        entries: list[importlib.metadata.EntryPoint] = []
        text = distribution.read_text("entry_points.txt") or ""
        if GROUP not in text:  # parsing takes longer than reading, and hardly any distribution has plugins
            continue
        try:
            entries = list(distribution.entry_points.select(group=GROUP))
        except Exception as error:
            if f"[{GROUP}]" in text:
                problem = PluginFault(f"malformed entry_points.txt: {describe(error)}")
        if not entries and problem is None:
            continue
        metadata = distribution.metadata
        name = metadata["Name"] or "unnamed"
        version = metadata["Version"] or "unknown"
        if canonical(name) in seen:  # an older copy further down sys.path
            continue
        seen.add(canonical(name))
        if problem is not None:
            yield PluginRecord(name, name, version, "entry_points.txt"), _raiser(problem)
        for entry in entries:
            module = entry.value.partition(":")[0].strip()
            yield PluginRecord(entry.name, name, version, entry.value, module=module), entry.load


def _raiser(problem: Exception) -> Callable[[], object]:
    def fail() -> object:
        raise problem

    return fail


def _choose(candidates: list[_Candidate], environ: Mapping[str, str]) -> tuple[list[_Candidate], list[PluginRecord]]:
    """Split into what to load and what ``FERBENCH_PLUGINS`` leaves out; built-ins first, then by name."""

    def order(candidate: _Candidate) -> tuple[bool, str, str]:
        distribution = canonical(candidate[0].distribution)
        return distribution != BUILT_IN, distribution, candidate[0].name

    candidates.sort(key=order)
    text = environ.get("FERBENCH_PLUGINS")
    if text is None:
        return candidates, []
    wanted = {part.strip() for part in text.split(",")} - {""}
    records = [record for record, _ in candidates]
    known = {name for record in records for name in (record.name, record.distribution)}
    for name in sorted(wanted):
        if not any(_is_called(record, name) for record in records):
            raise UserError(
                f"FERBENCH_PLUGINS names the plugin '{one_line(name)}', which is not installed",
                f"name a local file with --plugin {one_line(name)}"
                if name.endswith(".py")
                else f"{did_you_mean(name, known)}installed: {', '.join(sorted(known))}",
            )
    loaded = [(record, load) for record, load in candidates if any(_is_called(record, n) for n in wanted | {BUILT_IN})]
    return loaded, [record for record, load in candidates if (record, load) not in loaded]


def _is_called(record: PluginRecord, name: str) -> bool:
    return name == record.name or canonical(name) == canonical(record.distribution)


def _load(candidate: _Candidate) -> PluginRecord:
    record, load = candidate
    start = time.perf_counter()
    try:
        with _apart(record):
            plugin = load()
            if record.file is not None:
                record = replace(record, module=getattr(plugin, "__name__", ""))
            specs = collect_specs(plugin, record.file.stem if record.file else None)
        record = replace(record, components=specs, api=spoken_by(plugin))
    except BaseException as problem:
        if not is_fault(problem):
            raise
        newer = not_spoken(problem, record.file or record.module)
        record = replace(record, status="broken", error=newer or describe(problem, record.module))
    return replace(record, seconds=time.perf_counter() - start)


def _apart(record: PluginRecord) -> AbstractContextManager[None]:
    if record.distribution == BUILT_IN:  # which behave; and every command imports them
        return nullcontext()
    others = f"FERBENCH_PLUGINS=a,b loads only the built-ins and the plugins a and b, so name those but {record.name}"
    return apart(f"plugin {record.title} is still being imported", "leave its --plugin out" if record.local else others)


def _local(name: str) -> _Candidate:
    path = Path(name).expanduser()
    if name.endswith(".py") or os.sep in name or path.is_file():
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise UserError(f"--plugin {name}: the file {what}", "give the path of a .py file, or a module's name")
        path = path.resolve()
        return PluginRecord(path.stem, path.stem, "local", str(path), file=path, local=True), lambda: import_file(path)
    remedy = "give the path of a .py file, or the name of an installed module"
    if Path(f"{name}.py").is_file():
        remedy = f"the working directory is not searched; for the file here say --plugin {name}.py"
    if not re.fullmatch(r"\w+(\.\w+)*", name) or not _is_importable(name):
        raise UserError(f"--plugin {name}: there is no module of that name", remedy)
    return PluginRecord(name, name, "local", name, module=name, local=True), lambda: importlib.import_module(name)


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return name in sys.modules


def _file_of(record: PluginRecord) -> Path | None:
    file = getattr(sys.modules.get(record.module), "__file__", None) if record.status == "ok" else None
    return Path(file).resolve() if file else None


def _remedy(record: PluginRecord) -> str:
    if "of the plugin interface" in (record.error or ""):
        return "leave this --plugin out until then; `ferbench.API_VERSION` is the newest version that is spoken here"
    if not re.match(r"it ends the program|[A-Z]\w*(:|$)", record.error or ""):
        return "fix the plugin; `ferbench.hookimpl` marks its hooks, which yield specs such as `ferbench.ModelSpec`"
    command = f"python {record.file}" if record.file else f'python -c "import {record.module}"'
    return f"fix the plugin; `{command}` shows the stack trace"
