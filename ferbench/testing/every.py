"""What is asked of components of every kind."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys

from ferbench.testing.rules import NotApplicable, Rule, Subject, Violation

#: What takes long to import and is not needed to describe anything.
HEAVY = (
    *("numpy", "pandas", "plotly", "pydantic", "scipy", "skimage", "sklearn", "skops", "tensorflow", "timm", "torch"),
    *("torchvision", "transformers"),
)

_PROBE = """
import importlib, json, sys
entry, heavy = sys.argv[1], json.loads(sys.argv[2])
from ferbench.plugin.loading import collect_specs
module, _, attribute = entry.partition(":")
plugin = importlib.import_module(module)
for name in filter(None, attribute.split(".")):
    plugin = getattr(plugin, name)
collect_specs(plugin)
print("\\n" + json.dumps([name for name in heavy if name in sys.modules]))
"""


def light_import(subject: Subject) -> None:
    """Describing the plugin imports nothing heavy."""
    plugin = subject.component.plugin
    if plugin.file is not None:
        raise NotApplicable("a single file holds the description and what it describes")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    heavy = heavy_imports(plugin.origin, path, plugin.source_of())
    if heavy:
        raise Violation(
            f"importing {plugin.origin} imports {', '.join(heavy)}: "
            "leave that to the module that `build` names, so that every command stays quick"
        )


def options(subject: Subject) -> str:
    """The options can be read from the builder's signature."""
    schema = subject.component.options()
    schema.validate(subject.options, subject.component.kind)
    silent = [option.name for option in schema.fields if not option.description]
    if silent:
        return f"without a line in the docstring: {', '.join(silent)}"
    count = len(schema.fields)
    return "no options" if count == 0 else f"{count} option{'' if count == 1 else 's'}"


@functools.cache
def heavy_imports(origin: str, path: str, source: str | None) -> tuple[str, ...]:
    """Which heavy packages a fresh process has imported when it knows what the plugin at ``origin`` offers.

    Args:
        origin: see `ferbench.plugin.component.PluginRecord`.
        path: where modules are found, as PYTHONPATH.
        source: digest of the plugin's.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, origin, json.dumps(HEAVY)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise Violation(f"importing {origin} in a process of its own fails: {last}")
    return tuple(json.loads(done.stdout.splitlines()[-1]))


RULES = tuple(
    Rule(check.__name__.replace("_", "-"), (check.__doc__ or "").rstrip("."), check, gate, every=True)
    for check, gate in ((light_import, False), (options, True))
)
