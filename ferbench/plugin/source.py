"""A digest of a plugin's source, for plugins that no version identifies: local and editable ones."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path


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


def source_roots(module: str) -> list[Path]:
    """Where the top-level package (or single file) of ``module`` lies, without importing it."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin else []


def digest_sources(roots: Iterable[Path]) -> str | None:
    """SHA-256 over the ``.py`` files below ``roots`` and their relative names; None when there is none.

    Where a root lies does not matter. Compiled extensions and data files are not covered.
    """
    digest = hashlib.sha256()
    empty = True
    for root in sorted(set(roots), key=lambda path: (path.name, str(path))):
        for file in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            if file.suffix == ".py" and file.is_file():
                content = file.read_bytes()
                name = file.relative_to(root.parent).as_posix().encode()
                digest.update(b"%d:%s%d:%s" % (len(name), name, len(content), content))
                empty = False
    return None if empty else digest.hexdigest()
