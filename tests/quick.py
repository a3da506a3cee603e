"""``make quick``: the tests of what changed and of its neighbours, for at most a minute.

What changed are the files that git sees as changed or new; without any, those of the last commit. Their tests are those
of the same name (``ferbench/ranking/columns.py`` is tested by ``tests/ranking/test_columns.py``), and those that import
them; neighbours are the modules that import a changed one. The nearest come first, and tests from end to end only where
they changed themselves. When the time is over the rest is skipped, and pytest says so.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 50

#: Too slow for every save: they start whole trainings.
_SLOW = ("tests/end_to_end", "tests/faults", "tests/docs")


def changed() -> list[str]:
    """Paths of changed and new files, relative to the root; of the last commit where there are none."""
    lines = _git("status", "--porcelain", "--untracked-files=all")
    paths = [line[3:].rpartition(" -> ")[2].strip('"') for line in lines]
    return paths or _git("show", "--name-only", "--format=", "HEAD")


def _git(*command: str) -> list[str]:
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line]


def module_of(path: str) -> str | None:
    """The module that a path holds; None where it is no module of ferbench or of its built-ins."""
    for folder in ("", "plugins/"):
        for package in ("ferbench", "ferbench_builtin"):
            if path.startswith(f"{folder}{package}/") and path.endswith(".py"):
                return path.removeprefix(folder).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return None


def tests_named_after(module: str) -> Path:
    """Where the tests of a module are looked for."""
    package, _, name = module.rpartition(".")
    folder = Path("tests", *package.split(".")[1:])
    if module.startswith("ferbench_builtin"):
        folder = Path("tests", "builtin", *package.split(".")[1:])
    return folder / f"test_{name}.py"


def imports_of(test: Path) -> set[str]:
    """What a test imports, by full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(test.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def choose(paths: Iterable[str]) -> list[str]:
    """Test files for changed paths, nearest first."""
    paths = list(paths)
    every = sorted(path.relative_to(ROOT) for path in ROOT.glob("tests/**/test_*.py"))
    quick = [path for path in every if not path.as_posix().startswith(_SLOW)]
    imported = {path: imports_of(ROOT / path) for path in quick}
    modules = {module for path in paths if (module := module_of(path)) is not None}
    graph = grimp.build_graph("ferbench", "ferbench_builtin", cache_dir=None)
    known = modules & graph.modules
    neighbours = {near for module in known for near in graph.find_modules_that_directly_import(module)} - modules
    helpers = {
        Path(path).stem for path in paths if path.startswith("tests/") and not Path(path).name.startswith("test_")
    }
    layers = [
        [path for path in every if path.as_posix() in paths],
        [path for module in sorted(modules) if (path := tests_named_after(module)) in every],
        [path for path in quick if imported[path] & (modules | helpers)],
        [path for module in sorted(neighbours) if (path := tests_named_after(module)) in quick],
    ]
    return list(dict.fromkeys(path.as_posix() for layer in layers for path in layer))


def main() -> int:
    chosen = choose(changed())
    if not chosen:
        print("No test is near what changed.")
        return 0
    print("\n".join(chosen), flush=True)
    environment = {**os.environ, "QUICK_UNTIL": str(time.time() + SECONDS)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses=8", *sys.argv[1:], *chosen]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
