"""Built-in components and the distributions beside them import ferbench as anybody's plugin does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
SOURCES = sorted(path for path in PLUGINS.rglob("*.py") if "tests" not in path.relative_to(PLUGINS).parts)

#: ``ferbench submit`` takes what ``ferbench run`` and ``ferbench tune`` take: it is a part of the command line.
COMMAND_LINE = PLUGINS / "ferbench-submitit" / "ferbench_submitit" / "command.py"


def imports(path: Path) -> set[str]:
    """The modules of ferbench that a file imports from."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.partition(".")[0] == "ferbench"}


def test_there_are_plugins_of_six_distributions():
    assert len({path.relative_to(PLUGINS).parts[0] for path in SOURCES}) == 6


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_a_plugin_imports_ferbench_by_its_front_door(path):
    beyond = imports(path) - {"ferbench"}
    if path == COMMAND_LINE:
        line = {"ferbench.experiment.prepare", "ferbench.plugin.discovery"}
        beyond = {name for name in beyond if not name.startswith("ferbench.cli.")} - line
    assert not beyond
