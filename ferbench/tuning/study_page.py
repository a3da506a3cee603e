"""The page of a study."""

from __future__ import annotations

from dataclasses import dataclass

from ferbench.report.about_run import Tile
from ferbench.report.charts import Figure
from ferbench.report.page import figures_page
from ferbench.tables.table import Cell, Column, Table, duration
from ferbench.tuning.study_figures import MOST_SLICES, of_study
from ferbench.tuning.view import StudyView
from ferbench.wording import one_line

_TESTED = {"accuracy": "test accuracy", "macro_f1": "test macro-F1", "worst_class_f1": "test worst class F1"}


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
    record, figures = view.record, of_study(view)
    lead = (
        f"{len(view.trials)} trials of {len(view.dimensions)} parameters by {record.algorithm}, on "
        f"{record.dataset} (protocol {record.protocol}, {record.samples.train:,} training samples), judged by "
        f"{' and '.join(record.objectives)} on {record.samples.validation:,} validation samples."
    )
    return StudyReport(
        title=f"Study {record.label}",
        lead=one_line(lead),
        notes=tuple(_notes(view)),
        synthetic=record.synthetic,
        tiles=tuple(_tiles(view)),
        finalists=_finalists(view) if view.finalists else None,
        recipes=tuple(
            RecipeOf(
                one.trial,
                one.recipe,
                ", ".join(f"{run.run} (seed {run.seed})" for run in one.runs),
                view.recipes[one.trial],
            )
            for one in view.finalists
            if one.recipe and view.recipes.get(one.trial)
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
    unfinished = int(view.frame["state"].isin(["running", "waiting"]).sum())
    if unfinished:
        notes.append(f"{unfinished} trials have not ended yet.")
    diverged = int(view.frame["reason"].str.startswith("diverged").sum())
    if diverged:
        notes.append(f"{diverged} trials diverged; they count as pruned, so that the search avoids such settings.")
    if len(view.dimensions) > MOST_SLICES:
        notes.append(f"Of {len(view.dimensions)} parameters the {MOST_SLICES} most important are drawn.")
    return notes


def _tiles(view: StudyView) -> list[Tile]:
    frame = view.frame
    tally = frame["state"].value_counts()
    ended = ", ".join(f"{tally[state]} {state}" for state in ("complete", "pruned", "failed") if state in tally)
    tiles = [Tile("trials tried", f"{len(frame):,}", ended)]
    if len(view.objectives) > 1:
        tiles.append(Tile("Pareto front", f"{len(view.best)}", "trials that none beats"))
    elif view.best:
        (number,), (name,) = view.best, view.record.objectives
        value = frame.set_index("number").loc[number, f"values_{name}"]
        tiles.append(Tile(f"best {name}", f"{value:.4f}", f"validation, trial {number}"))
    tested = view.scores(view.finalists[0]).get("macro_f1") if view.finalists else None
    if tested is not None:
        seeds = f"{len(view.finalists[0].runs)} seeds, {tested.low:.4f} to {tested.high:.4f}"
        tiles.append(Tile("test macro-F1", f"{tested.mean:.4f}", seeds))
    seconds = frame["seconds"].dropna()
    if len(seconds):
        tiles.append(Tile("time of all trials", duration(seconds.sum()), f"{duration(seconds.mean())} each"))
    return tiles


def _finalists(view: StudyView) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in view.finalists:
        scores = view.scores(one)
        rows.append((f"trial {one.trial}", *one.values, len(one.runs), *(scores.get(name) for name in _TESTED)))
    seeds = sorted({run.seed for one in view.finalists for run in one.runs})
    return Table(
        "finalists",
        f"The best trials, each over seeds {', '.join(map(str, seeds))}: mean and extremes on test.",
        (
            Column("trial", "trial"),
            *(Column(f"validation_{o.name}", o.shown, "number") for o in view.objectives),
            Column("seeds", "seeds", "count"),
            *(Column(f"test_{key}", label, "score", spread=True) for key, label in _TESTED.items()),
        ),
        tuple(rows),
        notes=tuple(
            f"Trial {one.trial} has no result with seed {lost.seed}, which is in no mean: {lost.reason or 'failed'}."
            for one in view.finalists
            for lost in one.failed
        ),
    )


def _space(view: StudyView) -> Table:
    names = view.record.objectives
    rows = tuple(
        (one.key, one.text, one.scale, *(view.importances.get(name, {}).get(one.key) for name in names))
        for one in view.dimensions
    )
    return Table(
        "space",
        "What was searched.",
        (
            Column("parameter", "parameter"),
            Column("values", "values"),
            Column("scale", "scale"),
            *(Column(f"importance_{name}", f"importance for {name}", "number") for name in names),
        ),
        rows,
    )


def _trials(view: StudyView) -> Table:
    keys = [f"params_{one.key}" for one in view.dimensions]
    values = [f"values_{name}" for name in view.record.objectives]
    frame = view.frame[["number", "state", *values, "epochs", "seconds", *keys, "chosen_by", "run", "reason"]]
    frame = frame.assign(
        state=frame["state"] + frame["number"].isin(view.best).map({True: " (best)", False: ""}),
        reason=frame["reason"].map(one_line),
    )
    rows = frame.astype(object).where(frame.notna(), None)
    return Table(
        "trials",
        f"All {len(view.trials)} trials.",
        (
            Column("trial", "trial", "count"),
            Column("state", "state"),
            *(Column(name, name, "number") for name in view.record.objectives),
            Column("epochs", "epochs", "count"),
            Column("seconds", "time", "seconds"),
            *(Column(one.key, one.key, "text" if one.choices is not None else "number") for one in view.dimensions),
            Column("chosen_by", "chosen by"),
            Column("run", "run", "id"),
            Column("reason", "why it ended"),
        ),
        tuple(rows.itertuples(index=False, name=None)),
    )
