"""A digest of a plugin's source, the same whether it is installed as a wheel, in editable mode, or is a local file.

What is covered: the top-level package or file that holds the plugin, and the one that holds the builder; then what they
import, as far as no version of another distribution identifies it. That is a module that lies outside the places where
distributions are installed, such as a neighbour of a local file, or that the same distribution has installed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

#: The distribution whose own modules are told by `ferbench.experiment.fingerprint.NUMERICS_VERSION`.
OURS = "ferbench"
_OUR_MODULES = ("ferbench", "ferbench_builtin")

#: Of a package: code, and data that code reads. Not compiled extensions, which differ from machine to machine, nor
#: weights, which packages also download into themselves.
_COVERED = frozenset((".py", ".csv", ".json", ".npy", ".npz", ".toml", ".tsv", ".txt", ".yaml", ".yml"))


def is_editable(distribution: str) -> bool:
    """Whether the distribution is installed in editable mode: its version then says nothing of its source."""
    import importlib.metadata

    try:
        text = importlib.metadata.distribution(distribution).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return False
    try:
        return bool(json.loads(text or "{}").get("dir_info", {}).get("editable", False))
    except (ValueError, AttributeError):
        return False


@dataclass(frozen=True)
class Root:
    """A top-level package, or a file that is a module by itself.

    Attributes:
        name: below the entry of ``sys.path`` that it is found in, such as ``my_net.py``, ``my_package`` or, in a
            namespace, ``lab/my_package``.
        path: the file or the package's folder.
    """

    name: str
    path: Path


def source_roots(module: str) -> list[Root]:
    """Where the package (or single file) that ``module`` belongs to lies, without importing it. Of a namespace, which
    several distributions share, only the part below it."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:length]))
        except Exception:  # whatever importing a parent raises
            return []
        if spec is None:
            return []
        above = parts[: length - 1]
        if spec.origin is None and spec.submodule_search_locations is not None:
            continue
        if spec.submodule_search_locations is not None:
            return [
                Root("/".join([*above, parts[length - 1]]), Path(folder)) for folder in spec.submodule_search_locations
            ]
        if not spec.has_location or spec.origin is None:
            return []
        return [Root("/".join([*above, Path(spec.origin).name]), Path(spec.origin))]
    return []


def digest_sources(roots: Iterable[Root]) -> str | None:
    """SHA-256 over the source and data files below ``roots`` and their names; None when there is none.

    Where a root lies does not matter.
    """
    files = sorted({(tuple(name.split("/")), path) for root in roots for name, path in _files(root)})
    digest = hashlib.sha256()
    for parts, path in files:
        name, content = "/".join(parts).encode(), path.read_bytes()
        digest.update(b"%d:%s%d:%s" % (len(name), name, len(content), content))
    return digest.hexdigest() if files else None


def with_imported(roots: Iterable[Root], distribution: str) -> list[Root]:
    """``roots`` and what they import, however far away, that no other distribution's version identifies."""
    known = dict.fromkeys(roots)
    if distribution == OURS:
        return list(known)
    waiting = list(known)
    installed = cache(lambda: _installed_files(distribution))
    while waiting:
        root = waiting.pop()
        for name, path in _files(root):
            if path.suffix != ".py":
                continue
            package = name.split("/")[:-1]
            for module in _imported(path):
                for other in _neighbours(module, package, path.parent):
                    if other not in known and _is_own(other, installed):
                        known[other] = None
                        waiting.append(other)
    return list(known)


def _files(root: Root) -> Iterator[tuple[str, Path]]:
    """Names and paths of what is covered of a root."""
    if root.path.is_file():
        yield root.name, root.path
        return
    if not root.path.is_dir():
        archive = next((parent for parent in root.path.parents if parent.is_file()), None)
        if archive is not None:
            yield root.name, archive
        return
    seen = set()
    for folder, folders, files in os.walk(root.path, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder above it
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        below = Path(folder).relative_to(root.path).as_posix()
        prefix = root.name if below == "." else f"{root.name}/{below}"
        known = set(files)
        for name in files:
            path = Path(folder, name)
            compiled_alone = path.suffix == ".pyc" and f"{path.stem}.py" not in known  # shipped without its source
            if (path.suffix in _COVERED or compiled_alone) and not name.startswith("."):
                yield f"{prefix}/{name}", path


def _imported(path: Path) -> tuple[str, ...]:
    facts = path.stat()
    return _imported_by(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=1024)
def _imported_by(path: Path, size: int, changed: int) -> tuple[str, ...]:
    """The modules that a file may import, wherever in it that is said; ``from a import b`` may be of ``a.b``.

    Of a file that is no Python of this version nothing is known.
    """
    modules: list[str] = []
    try:
        with warnings.catch_warnings(action="ignore"):  # what Python thinks of the author's escapes
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return ()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules += [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                origin = "." * level + (module or "")
                dot = "" if origin.endswith(".") else "."
                modules += [origin, *(origin + dot + alias.name for alias in names if alias.name != "*")]
            case ast.Call(
                func=ast.Name(id=function) | ast.Attribute(attr=function), args=[ast.Constant(value=str(name)), *_]
            ) if function in ("import_module", "__import__"):
                modules.append(name)
    return tuple(dict.fromkeys(modules))


def _neighbours(module: str, package: list[str], folder: Path) -> list[Root]:
    """What an import may mean for a file.

    Args:
        module: as the file names it, with leading dots where that is relative.
        package: the packages that hold the file.
        folder: where the file lies.
    """
    name = module.lstrip(".")
    dots = len(module) - len(name)
    if dots:
        above = package[: len(package) - dots + 1]
        if dots > len(package):
            return _beside(name, folder) if dots == 1 else []
        return source_roots(".".join([*above, *([name] if name else [])]))
    if name.partition(".")[0] in sys.stdlib_module_names or name.partition(".")[0] in _OUR_MODULES:
        return []
    return source_roots(name) or _beside(name, folder)


def _beside(name: str, folder: Path) -> list[Root]:
    """A module in the same folder, for a file that makes its own folder importable only later."""
    top = name.partition(".")[0]
    for path in (folder / top, folder / f"{top}.py"):
        if path.is_file() or (path / "__init__.py").is_file():
            return [Root(path.name, path)]
    return []


def _is_own(root: Root, installed: Callable[[], frozenset[str]]) -> bool:
    """Whether a module belongs to a distribution that has ``installed`` these files, or to none at all."""
    entry = root.path.parents[root.name.count("/")]
    if not _is_place_of_installs(entry):
        return True
    names = installed()
    return root.name in names or f"{root.name}/__init__.py" in names


@cache
def _is_place_of_installs(folder: Path) -> bool:
    if not {"site-packages", "dist-packages"}.isdisjoint(folder.parts):
        return True
    return folder.is_dir() and any(folder.glob("*.dist-info"))


def _installed_files(distribution: str) -> frozenset[str]:
    import importlib.metadata

    try:
        files = importlib.metadata.distribution(distribution).files
    except importlib.metadata.PackageNotFoundError:
        files = None
    return frozenset(file.as_posix() for file in files or ())
