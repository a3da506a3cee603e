"""Which version of the plugin interface a plugin speaks, and what is said of one that speaks a newer one.

Version 2 adds to version 1 and takes nothing away, so a plugin of version 1 is loaded as it is.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

from ferbench.plugin import specs
from ferbench.plugin.faults import PluginFault
from ferbench.version import API_VERSION
from ferbench.wording import did_you_mean, one_line

#: The versions that plugins may be written for (their ``FERBENCH_API``), oldest first; the last is
#: `ferbench.API_VERSION`.
SPOKEN = (1, 2)

_DECLARED = "FERBENCH_API"
_NO_FIELD = re.compile(r"(?:\w+\.)*(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
_NO_NAME = re.compile(r"module 'ferbench' has no attribute '(\w+)'|cannot import name '(\w+)' from 'ferbench'")


def spoken_by(plugin: object) -> int:
    """The version that a plugin says that it is written for, in its ``FERBENCH_API``; the newest where it says nothing.

    Raises:
        PluginFault: this ferbench does not speak that version, or it is none.
    """
    asked = getattr(plugin, _DECLARED, API_VERSION)
    if not isinstance(asked, int) or isinstance(asked, bool):
        raise PluginFault(f"its {_DECLARED} is {type(asked).__name__}, not a whole number such as {API_VERSION}")
    if asked not in SPOKEN:
        raise PluginFault(_unspoken(asked))
    return asked


def not_spoken(error: BaseException, plugin: Path | str) -> str | None:
    """What to say of a plugin that failed as one does which uses what only a newer ferbench has; None: it did not.

    Args:
        error: that importing the plugin, or calling its hooks, raised.
        plugin: its file, or the name of its module, which may say in so many words what it is written for though it
            could not be imported.
    """
    if not isinstance(error, TypeError | AttributeError | ImportError):
        return None
    if (asked := _written(plugin)) is not None and asked > API_VERSION:
        return _unspoken(asked)
    newest = f"in version {API_VERSION} of the plugin interface, the newest that this ferbench speaks"
    if (field := _NO_FIELD.match(str(error))) and (spec := getattr(specs, field[1], None)) is not None:
        close = did_you_mean(field[2], getattr(spec, "__dataclass_fields__", ())).strip()
        return f"{field[1]} has no '{field[2]}' {newest}: {close or 'update ferbench, or correct the name'}"
    if name := _NO_NAME.match(str(error)):
        close = did_you_mean(name[1] or name[2], sys.modules["ferbench"].__all__).strip()
        return f"ferbench has no '{name[1] or name[2]}' {newest}: {close or 'update ferbench, or correct the name'}"
    return None


def _unspoken(asked: int) -> str:
    spoken = " and ".join(map(str, SPOKEN))
    remedy = "update ferbench" if asked > API_VERSION else "look for a newer release of it"
    return one_line(
        f"it is written for version {asked} of the plugin interface, this ferbench speaks {spoken}: {remedy}"
    )


def _written(plugin: Path | str) -> int | None:
    """The whole number that ``FERBENCH_API`` is set to in the source of a module, which is not run for that."""
    try:
        if isinstance(plugin, str):
            found = importlib.util.find_spec(plugin) if plugin else None
            if found is None or found.origin is None:
                return None
            plugin = Path(found.origin)
        body = ast.parse(plugin.read_bytes()).body
    except (ImportError, OSError, SyntaxError, ValueError, AttributeError, TypeError):
        return None
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            named = any(isinstance(target, ast.Name) and target.id == _DECLARED for target in targets)
            if named and isinstance(statement.value.value, int):
                return statement.value.value
    return None
