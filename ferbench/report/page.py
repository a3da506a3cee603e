"""Pages: one file each, nothing fetched, the same bytes for the same runs."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from ferbench.experiment.toml import recipe_toml
from ferbench.plugin.component import Component
from ferbench.ranking.slice_columns import sliced_by
from ferbench.report import about_run, comparison_figures, comparison_tables, per_sample, run_figures, run_tables
from ferbench.report.charts import Figure
from ferbench.report.contents import Comparison, Contents, RunView
from ferbench.report.contrasts import contrasts
from ferbench.report.feature_map import FeatureMap, map_figure, map_table
from ferbench.report.fold_tables import fold_table, fold_title
from ferbench.report.gallery import Picture, worst_pictures
from ferbench.report.sections import Section, sections_of
from ferbench.report.theme import template
from ferbench.report.uncertainty import Probabilities, certain
from ferbench.runs.lineage import parent_line, teacher_line
from ferbench.tables.table import Table, shown
from ferbench.wording import one_line

#: A report over more runs than this compares them and leaves out what concerns a single one.
MOST_DETAILED = 100

#: Above this many runs each one is folded, to be opened by a click.
_OPEN_RUNS = 3


@dataclass(frozen=True)
class ComparisonPart:
    """What a page shows of comparable runs, or of folds; ``tables`` by heading, the first one without."""

    id: str
    title: str
    synthetic: bool
    tables: dict[str, Table]
    figures: tuple[Figure, ...]
    heading: str = "Comparison"


@dataclass(frozen=True)
class RunPart:
    """What a page shows of one run."""

    run: RunView
    id: str
    lead: str
    synthetic: bool
    tiles: tuple[about_run.Tile, ...]
    notes: tuple[str, ...]
    scores: Table | None
    confusion: Figure | None
    confusion_table: Table | None
    pairs: Table | None
    curves: tuple[Figure, ...]
    epochs: Table | None
    sampling: Table | None
    corrections: Table | None
    metrics: Table | None
    samples: Table
    components: Table
    environment: Table
    recipe: str
    lineage: tuple[str, ...]
    teacher: str
    relation: str
    sections: tuple[Section, ...] = ()
    calibration: Table | None = None
    uncertainty: tuple[Figure, ...] = ()
    affect: tuple[Figure, ...] = ()
    focus: Figure | None = None
    errors: Table | None = None
    slices: tuple[Table, ...] = ()
    gallery: tuple[Picture, ...] = ()
    shown_map: FeatureMap | None = None
    map: Figure | None = None
    map_table: Table | None = None


@dataclass(frozen=True)
class Report:
    """A report before it has a format: what the page shows, and what `ferbench.report.export` writes as files."""

    title: str
    lead: str
    notes: tuple[str, ...]
    comparisons: tuple[ComparisonPart, ...]
    without_result: Table | None
    runs: tuple[RunPart, ...]

    def tables(self) -> list[Table]:
        """All tables, in the order of the page."""
        tables: list[Table | None] = [table for part in self.comparisons for table in part.tables.values()]
        tables.append(self.without_result)
        for part in self.runs:
            tables += [part.scores, part.confusion_table, part.pairs, *part.slices, part.calibration, part.errors]
            tables.append(part.map_table)
            tables += [part.epochs, part.sampling, part.corrections, part.metrics]
            tables += [table for section in part.sections for table in section.tables]
            tables += [part.samples, part.components, part.environment]
        return [table for table in tables if table is not None]

    def figures(self) -> list[Figure]:
        """All figures, in the order of the page."""
        figures: list[Figure | None] = [figure for part in self.comparisons for figure in part.figures]
        for part in self.runs:
            figures += [part.confusion, *part.uncertainty, *part.affect, part.map, *part.curves, part.focus]
        return [figure for figure in figures if figure is not None]


@dataclass(frozen=True)
class Extras:
    """What is shown on request only.

    Attributes:
        slices: columns of the samples that scores are sliced by.
        slice_table: a CSV with more of them.
        gallery: so many of the worst errors as pictures, of faces: personal data.
        cache: where packed datasets are, which the pictures come from.
        maps: of the features, by the run's id.
    """

    slices: tuple[str, ...] = ()
    slice_table: Path | None = None
    gallery: int = 0
    cache: Path | None = None
    maps: Mapping[str, FeatureMap] = field(default_factory=dict)


def compose(contents: Contents, sections: Sequence[Component] = (), extras: Extras | None = None) -> Report:
    """What a report over these runs shows.

    Args:
        contents: the runs.
        sections: what plugins add.
        extras: what is shown on request only.

    Raises:
        UserError: what ``extras`` ask for is not there.
    """
    extras = extras or Extras()
    detailed = len(contents.runs) <= MOST_DETAILED
    several = len(contents.runs) > 1
    unfinished = [run for run in contents.runs if run.result is None]
    notes = [f"Run {id_} is left out: {one_line(error.message)}." for id_, error in contents.damaged.items()]
    if not detailed:
        notes.append(
            f"Over more than {MOST_DETAILED} runs a report compares them only; for confusion matrices and learning "
            "curves make one of fewer runs."
        )
    if contents.baseline is not None:
        others = sum(1 for part in contents.comparisons if part.baseline is None)
        if others:
            notes.append(
                f"The baseline {contents.baseline.label} was measured on other samples than the runs of "
                f"{others} of the tables below, so they show no change against it."
            )
    if len(contents.comparisons) + len(contents.partitions) > 1:
        notes.append("Runs that were measured on unlike samples stand in tables of their own: they cannot be compared.")
    return Report(
        title=contents.runs[0].label if not several else f"{len(contents.runs)} runs compared",
        lead=about_run.overview(contents),
        notes=tuple(notes),
        comparisons=_comparisons(contents) if several else (),
        without_result=comparison_tables.without_result(unfinished) if unfinished and several else None,
        runs=tuple(_run(run, sections, extras) for run in contents.runs) if detailed else (),
    )


def report_page(report: Report, *, refresh: int | None = None) -> str:
    """The page of a report.

    Args:
        report: what it shows.
        refresh: seconds after which a browser reads the page again, for runs that go on.
    """
    return figures_page(
        "report.html.j2", report.figures(), report=report, refresh=refresh, fold=len(report.runs) > _OPEN_RUNS
    )


def figures_page(name: str, drawn_figures: Sequence[Figure], **content: Any) -> str:
    """A page with figures, from one of our templates.

    Args:
        name: of the template.
        drawn_figures: all that it shows.
        content: what else the template shows.
    """
    drawn = {figure.id: {**figure.spec, "views": figure.views} for figure in drawn_figures}
    return _template(name).render(
        **content,
        figures_json=_script_json({"figures": drawn, "templates": {m: template(m) for m in ("light", "dark")}}),
        plotly=_plotly() if drawn else "",
    )


def tables_page(title: str, several: Sequence[Table], *, lead: str = "") -> str:
    """A page of nothing but tables.

    Args:
        title: the heading, plain text.
        several: the tables; their ids must differ.
        lead: a sentence below the heading, plain text.
    """
    return _template("tables.html.j2").render(title=one_line(title), lead=one_line(lead), tables=several, refresh=None)


def _comparisons(contents: Contents) -> tuple[ComparisonPart, ...]:
    folds = [
        ComparisonPart(
            id=f"folds-{i}",
            title=fold_title(runs),
            synthetic=runs[0].record.data.synthetic,
            tables={"": fold_table(runs, f"fold-scores-{i}")},
            figures=(),
            heading="Folds",
        )
        for i, runs in enumerate(contents.partitions, 1)
    ]
    return (*folds, *(_comparison(group, i) for i, group in enumerate(contents.comparisons, 1)))


def _comparison(group: Comparison, number: int) -> ComparisonPart:
    name = f"comparison-{number}"
    result = group.result
    shown_tables = {"": comparison_tables.comparison(group, name)}
    unlike = comparison_tables.differences(group, f"{name}-settings") if len(group.runs) > 1 else None
    if unlike is not None:
        shown_tables["Settings"] = unlike
    shown_tables["F1 by class"] = comparison_tables.class_comparison(group, f"{name}-by-class")
    if group.baseline is not None and len(group.runs) > 1:
        shown_tables["Change by class"] = comparison_tables.class_changes(group, f"{name}-changes")
    return ComparisonPart(
        id=f"group-{number}",
        title=f"{result.dataset}, {result.split}, n = {result.n:,}",
        synthetic=group.synthetic,
        tables=shown_tables,
        figures=(
            *comparison_figures.of_comparison(group, name),
            *(contrasts(group, name) if len(group.runs) > 1 else ()),
        ),
    )


def _run(run: RunView, sections: Sequence[Component], extras: Extras) -> RunPart:
    result, record = run.result, run.record
    given = run.predictions(result)
    likely = None
    if given is not None and not certain(given.probabilities):
        likely = Probabilities(run, given, run.predictions(run.validation))
    sliced: dict[str, NDArray[np.str_]] = {}
    if given is not None and extras.slices:
        sliced = sliced_by(given.ids, given.columns, extras.slices, extras.slice_table)
    placed = extras.maps.get(run.id)
    matrix = result is not None and result.confusion is not None
    added = sections_of(run, sections)
    return RunPart(
        run=run,
        id=f"run-{run.id}",
        lead=about_run.lead(run),
        synthetic=record.data.synthetic,
        tiles=tuple(about_run.tiles(run)),
        notes=(*about_run.notes(run), *(section.fault for section in added if section.fault)),
        scores=run_tables.per_class(run, result) if result is not None else None,
        confusion=run_figures.confusion(run) if matrix else None,
        confusion_table=run_tables.confusion(run, result) if matrix and result is not None else None,
        pairs=run_tables.confused_pairs(run, result) if matrix and result is not None else None,
        curves=tuple(run_figures.curves(run)),
        epochs=run_tables.epochs(run) if run.history else None,
        sampling=run_tables.sampling(run),
        corrections=run_tables.corrections(run),
        metrics=run_tables.metrics(run) if run.evaluations else None,
        samples=run_tables.samples(run),
        components=run_tables.components(run),
        environment=run_tables.environment(run),
        recipe=recipe_toml(record) if record.kind == "trained" else "",
        lineage=tuple(one_line(parent_line(parent)) for parent in record.lineage.parents),
        teacher="" if record.lineage.teacher is None else one_line(teacher_line(record.lineage.teacher)),
        relation="Made of" if record.kind in ("ensemble", "pooled") else "Continues",
        sections=tuple(section for section in added if section.tables),
        calibration=likely.table() if likely is not None else None,
        uncertainty=tuple(likely.figures()) if likely is not None else (),
        affect=tuple(per_sample.affect_figures(run, given)) if given is not None else (),
        focus=per_sample.focus(run),
        errors=per_sample.errors(run, given) if given is not None else None,
        slices=tuple(per_sample.by_slice(run, given, sliced)) if given is not None else (),
        gallery=worst_pictures(run, given, extras.gallery, extras.cache)
        if given is not None and extras.gallery
        else (),
        shown_map=placed,
        map=map_figure(run, placed, given) if given is not None and placed is not None else None,
        map_table=map_table(run, placed, given) if given is not None and placed is not None else None,
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ferbench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["line"] = one_line
    environment.globals["asset"] = _asset
    environment.globals["policy"] = _policy
    return environment


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


def _asset(name: str) -> str:
    """A style sheet or script of ours, to stand in the page as it is."""
    return resources.files("ferbench.report").joinpath("templates", name).read_text(encoding="utf-8")


@functools.cache
def _policy() -> str:
    """What a page of ours may do, whatever stands in it: run our own script and plotly's, wear our own style, and show
    pictures that it holds itself. It fetches nothing and sends nothing."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(_asset('page.js').encode())} {_hash(_plotly_bundle())}",
            "style-src 'unsafe-inline'",  # plotly adds styles of its own; with nothing to fetch they can only look odd
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(content: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode('ascii')}'"


def _plotly_bundle() -> bytes:
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


@functools.cache
def _plotly() -> str:
    """plotly.js for the page, compressed: a third of its size, and the page shows its tables before it is unpacked."""
    return base64.b64encode(gzip.compress(_plotly_bundle(), compresslevel=9, mtime=0)).decode("ascii")


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text
