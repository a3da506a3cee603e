"""Holding a component to the conformance kit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check


def broken_rules(
    kind: str, name: str, *, data: Path | None = None, image_size: int | None = None, **options: Any
) -> dict[str, str]:
    """The rules that a built-in component breaks, and how; empty is what a test wants."""
    component = load_registry(environ={"FERBENCH_PLUGINS": ""}).find(kind, f"ferbench:{name}")
    verdicts = check(Subject(component, options, data, image_size), informational=False)
    return {verdict.rule: verdict.said for verdict in verdicts if verdict.status == "failed"}
