"""Sections that plugins add to what a report shows of each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ferbench.plugin.component import Component
from ferbench.plugin.faults import describe, is_fault
from ferbench.plugin.specs import ReportSectionSpec
from ferbench.report.contents import RunView
from ferbench.tables.table import Table


@dataclass(frozen=True)
class Section:
    """What one plugin says of one run.

    Attributes:
        id: of the section, within the run.
        title: its heading.
        tables: at least one, or none when it could not be made.
        fault: why it could not be made; empty when it was.
    """

    id: str
    title: str
    tables: tuple[Table, ...]
    fault: str = ""


def find_sections(local: Sequence[str] = ()) -> list[Component]:
    """The sections that the installed plugins and those that ``--plugin`` names offer; broken plugins keep quiet.

    Raises:
        UserError: a local plugin fails.
    """
    from ferbench.plugin.discovery import load_registry

    return load_registry(local, warn=lambda line: None).components("report-section")


def sections_of(run: RunView, components: Sequence[Component]) -> list[Section]:
    """The sections that have something to say of a run, and those that fail at it."""
    sections = []
    for component in components:
        assert isinstance(component.spec, ReportSectionSpec)
        name = component.name
        title = component.spec.title or name.replace("-", " ").capitalize()
        try:
            with component.apart("being made"):
                made = list(component.builder()(run.record.plain(), [epoch.plain() for epoch in run.history]))
                tables = tuple(replace(table, id=f"{name}-{table.id}-{run.id}") for table in made)
        except BaseException as error:
            if not is_fault(error):
                raise
            cause = f"section '{name}' of plugin {component.plugin.title} could not be made: {describe(error)}"
            sections.append(Section(name, title, (), cause))
            continue
        if tables:
            sections.append(Section(name, title, tables))
    return sections
