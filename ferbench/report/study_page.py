"""The page of a study."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ferbench.plugin.faults import one_line
from ferbench.report.about_run import Tile
from ferbench.report.charts import Figure
from ferbench.report.page import figures_page
from ferbench.report.study_figures import MOST_SLICES, of_study
from ferbench.report.study_view import Objective, StudyView
from ferbench.tables.table import Cell, Column, Spread, Table, duration

_TESTED = (("accuracy", "test accuracy"), ("macro_f1", "test macro-F1"), ("worst_class_f1", "test worst class F1"))


@dataclass(frozen=True)
class RecipeOf:
    """A recipe as the page has it: of which trial, its file in the study's directory, which runs tested it, TOML."""

    trial: int
    file: str
    runs: str
    text: str


@dataclass(frozen=True)
class StudyReport:
    """What the page of a study shows."""

    title: str
    lead: str
    notes: tuple[str, ...]
    synthetic: bool
    tiles: tuple[Tile, ...]
    finalists: Table | None
    recipes: tuple[RecipeOf, ...]
    overview: tuple[Figure, ...]
    wide: tuple[Figure, ...]
    slices: tuple[Figure, ...]
    space: Table
    trials: Table


def study_page(view: StudyView) -> str:
    """The page, one file."""
    report = compose_study(view)
    figures = [*report.overview, *report.wide, *report.slices]
    return figures_page("study.html.j2", figures, report=report, refresh=None)


def compose_study(view: StudyView) -> StudyReport:
    """What the page of a study shows."""
    about, figures = view.about, of_study(view)
    tally = Counter(trial.state for trial in view.trials)
    names = [objective.name for objective in view.objectives]
    lead = (
        f"{len(view.trials)} trials of {len(view.dimensions)} parameters by {about['algorithm']}, on "
        f"{about['dataset']} (protocol {about['protocol']}, {about['samples']['train']:,} training samples), judged by "
        f"{' and '.join(names)} on {about['samples']['validation']:,} validation samples."
    )
    return StudyReport(
        title=f"Study {about['label']}",
        lead=one_line(lead),
        notes=tuple(_notes(view)),
        synthetic=bool(about["synthetic"]),
        tiles=tuple(_tiles(view, tally)),
        finalists=_finalists(view) if view.finalists else None,
        recipes=tuple(
            RecipeOf(one.trial, one.file, ", ".join(f"{run.run} (seed {run.seed})" for run in one.runs), one.recipe)
            for one in view.finalists
            if one.recipe
        ),
        overview=tuple(one for one in figures if not one.wide and not one.id.startswith("slice-")),
        wide=tuple(one for one in figures if one.wide),
        slices=tuple(one for one in figures if one.id.startswith("slice-")),
        space=_space(view),
        trials=_trials(view),
    )


def _notes(view: StudyView) -> list[str]:
    notes = [
        f"The best of {len(view.trials)} trials looks better on validation than it is: it was chosen for that. No "
        "trial read the test set; what is tested are the runs over the seeds below, once each."
        if view.finalists
        else "No trial read the test set. The best is chosen on validation, where it therefore looks better than it is."
    ]
    unfinished = [trial for trial in view.trials if trial.state in ("running", "waiting")]
    if unfinished:
        notes.append(f"{len(unfinished)} trials have not ended yet.")
    diverged = sum(1 for trial in view.trials if trial.reason.startswith("diverged"))
    if diverged:
        notes.append(f"{diverged} trials diverged; they count as pruned, so that the search avoids such settings.")
    if len(view.dimensions) > MOST_SLICES:
        notes.append(f"Of {len(view.dimensions)} parameters the {MOST_SLICES} most important are drawn.")
    return notes


def _tiles(view: StudyView, tally: Counter[str]) -> list[Tile]:
    ended = ", ".join(f"{tally[state]} {state}" for state in ("complete", "pruned", "failed") if tally[state])
    tiles = [Tile("trials tried", f"{len(view.trials):,}", ended)]
    if len(view.objectives) > 1:
        tiles.append(Tile("Pareto front", f"{len(view.front)}", "trials that none beats"))
    elif view.front:
        (best,) = [trial for trial in view.complete if trial.number in view.front]
        name = view.objectives[0].name
        tiles.append(Tile(f"best {name}", f"{best.values[0]:.4f}", f"validation, trial {best.number}"))
    tested = [run.metrics["macro_f1"] for run in view.finalists[0].runs if run.metrics] if view.finalists else []
    if tested:
        low, high = min(tested), max(tested)
        tiles.append(
            Tile("test macro-F1", f"{sum(tested) / len(tested):.4f}", f"{len(tested)} seeds, {low:.4f} to {high:.4f}")
        )
    seconds = [trial.seconds for trial in view.trials if trial.seconds is not None]
    if seconds:
        tiles.append(
            Tile("time of all trials", duration(sum(seconds)), f"{duration(sum(seconds) / len(seconds))} each")
        )
    return tiles


def _finalists(view: StudyView) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in view.finalists:
        tested: list[Cell] = []
        for key, _ in _TESTED:
            values = [run.metrics[key] for run in one.runs if key in run.metrics]
            tested.append(Spread(sum(values) / len(values), min(values), max(values)) if values else None)
        rows.append((f"trial {one.trial}", *one.values, len(one.runs), *tested))
    seeds = sorted({run.seed for one in view.finalists for run in one.runs})
    return Table(
        "finalists",
        f"The best trials, each over seeds {', '.join(map(str, seeds))}: mean and extremes on test.",
        (
            Column("trial", "trial"),
            *(Column(f"validation_{o.name}", _on_validation(o), "number") for o in view.objectives),
            Column("seeds", "seeds", "count"),
            *(Column(f"test_{key}", label, "score", spread=True) for key, label in _TESTED),
        ),
        tuple(rows),
        notes=tuple(
            f"Trial {one.trial} has no result with seed {seed}, which is in no mean: {reason or 'failed'}."
            for one in view.finalists
            for seed, reason in one.failed
        ),
    )


def _on_validation(objective: Objective) -> str:
    """A metric is measured on validation, a cost on nothing."""
    return f"validation {objective.name}" if objective.is_metric else objective.name


def _space(view: StudyView) -> Table:
    rows = tuple(
        (
            one.key,
            ", ".join(one.choices) if one.choices is not None else f"{one.low:g} to {one.high:g}",
            "choice" if one.choices is not None else "logarithmic" if one.log else "linear",
            *(view.importances.get(objective.name, {}).get(one.key) for objective in view.objectives),
        )
        for one in view.dimensions
    )
    return Table(
        "space",
        "What was searched.",
        (
            Column("parameter", "parameter"),
            Column("values", "values"),
            Column("scale", "scale"),
            *(Column(f"importance_{o.name}", f"importance for {o.name}", "number") for o in view.objectives),
        ),
        rows,
    )


def _trials(view: StudyView) -> Table:
    keys = [one.key for one in view.dimensions]
    rows: list[tuple[Cell, ...]] = []
    for trial in view.trials:
        values: list[Cell] = [*trial.values] if trial.values else [None] * len(view.objectives)
        params = [trial.params.get(key) for key in keys]
        shown: list[Cell] = [one if isinstance(one, (float, int, str)) or one is None else str(one) for one in params]
        mark = " (best)" if trial.number in view.front else ""
        epochs = max(trial.epochs, default=None)
        rows.append(
            (
                trial.number,
                trial.state + mark,
                *values,
                epochs,
                trial.seconds,
                *shown,
                trial.chosen_by,
                trial.run,
                one_line(trial.reason),
            )
        )
    return Table(
        "trials",
        f"All {len(view.trials)} trials.",
        (
            Column("trial", "trial", "count"),
            Column("state", "state"),
            *(Column(objective.name, objective.name, "number") for objective in view.objectives),
            Column("epochs", "epochs", "count"),
            Column("seconds", "time", "seconds"),
            *(Column(one.key, one.key, "text" if one.choices is not None else "number") for one in view.dimensions),
            Column("chosen_by", "chosen by"),
            Column("run", "run", "id"),
            Column("reason", "why it ended"),
        ),
        tuple(rows),
    )
