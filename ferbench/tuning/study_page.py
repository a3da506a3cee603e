"""The page of a study."""

from __future__ import annotations

from ferbench.report.about_run import Tile
from ferbench.report.page import figures_page
from ferbench.tables.table import Column, Table, duration
from ferbench.tuning.study_figures import MOST_SLICES, of_study
from ferbench.tuning.view import StudyView
from ferbench.wording import one_line

_TESTED = {"accuracy": "test accuracy", "macro_f1": "test macro-F1", "worst_class_f1": "test worst class F1"}


def study_page(view: StudyView) -> str:
    """The page, one file."""
    figures = of_study(view)
    slices = [figure for figure in figures if figure.id.startswith("slice-")]
    return figures_page(
        "study.html.j2",
        figures,
        view=view,
        lead=lead(view),
        notes=notes(view),
        tiles=tiles(view),
        finalists=finalists_table(view) if view.finalists else None,
        overview=[figure for figure in figures if not figure.wide and figure not in slices],
        wide=[figure for figure in figures if figure.wide],
        slices=slices,
        space=_space(view),
        trials=_trials(view),
        refresh=None,
    )


def lead(view: StudyView) -> str:
    """What was searched, on what, and towards what."""
    record = view.record
    return one_line(
        f"{len(view.trials)} trials of {len(view.dimensions)} parameters by {record.algorithm}, on "
        f"{record.dataset} (protocol {record.protocol}, {record.samples.train:,} training samples), judged by "
        f"{' and '.join(record.objectives)} on {record.samples.validation:,} validation samples."
    )


def notes(view: StudyView) -> list[str]:
    """What a reader should keep in mind."""
    lines = [
        f"The best of {len(view.trials)} trials looks better on validation than it is: it was chosen for that. No "
        "trial read the test set; what is tested are the runs over the seeds below, once each."
        if view.finalists
        else "No trial read the test set. The best is chosen on validation, where it therefore looks better than it is."
    ]
    unfinished = int(view.frame["state"].isin(["running", "waiting"]).sum())
    if unfinished:
        lines.append(f"{unfinished} trials have not ended yet.")
    diverged = int(view.frame["reason"].str.startswith("diverged").sum())
    if diverged:
        lines.append(f"{diverged} trials diverged; they count as pruned, so that the search avoids such settings.")
    if len(view.dimensions) > MOST_SLICES:
        lines.append(f"Of {len(view.dimensions)} parameters the {MOST_SLICES} most important are drawn.")
    return lines


def tiles(view: StudyView) -> list[Tile]:
    """The key figures."""
    frame = view.frame
    tally = frame["state"].value_counts()
    ended = ", ".join(f"{tally[state]} {state}" for state in ("complete", "pruned", "failed") if state in tally)
    shown = [Tile("trials tried", f"{len(frame):,}", ended)]
    if len(view.objectives) > 1:
        shown.append(Tile("Pareto front", f"{len(view.best)}", "trials that none beats"))
    elif view.best:
        (number,), (name,) = view.best, view.record.objectives
        value = frame.set_index("number").loc[number, f"values_{name}"]
        shown.append(Tile(f"best {name}", f"{value:.4f}", f"validation, trial {number}"))
    tested = view.scores(view.finalists[0]).get("macro_f1") if view.finalists else None
    if tested is not None:
        seeds = f"{len(view.finalists[0].runs)} seeds, {tested.low:.4f} to {tested.high:.4f}"
        shown.append(Tile("test macro-F1", f"{tested.mean:.4f}", seeds))
    seconds = frame["seconds"].dropna()
    if len(seconds):
        shown.append(Tile("time of all trials", duration(seconds.sum()), f"{duration(seconds.mean())} each"))
    return shown


def finalists_table(view: StudyView) -> Table:
    """The trials that were tested."""
    tested = {name: _TESTED.get(name, f"test {name}") for name in view.tested_by}
    rows = tuple(
        (f"trial {finalist.trial}", *finalist.values, len(finalist.runs), *map(view.scores(finalist).get, tested))
        for finalist in view.finalists
    )
    seeds = sorted({run.seed for finalist in view.finalists for run in finalist.runs})
    return Table(
        "finalists",
        f"The best trials, each over seeds {', '.join(map(str, seeds))}: mean and extremes on test.",
        (
            Column("trial", "trial"),
            *(Column(f"validation_{o.name}", o.shown, "number") for o in view.objectives),
            Column("seeds", "seeds", "count"),
            *(Column(f"test_{key}", label, "score", spread=True) for key, label in tested.items()),
        ),
        rows,
        notes=tuple(
            f"Trial {finalist.trial} has no result with seed {lost.seed}, which is in no mean: "
            f"{lost.reason or 'failed'}."
            for finalist in view.finalists
            for lost in finalist.failed
        ),
    )


def _space(view: StudyView) -> Table:
    names = view.record.objectives
    rows = tuple(
        (
            dimension.key,
            dimension.text,
            dimension.scale,
            *(view.importances.get(name, {}).get(dimension.key) for name in names),
        )
        for dimension in view.dimensions
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
    keys = [f"params_{dimension.key}" for dimension in view.dimensions]
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
            *(
                Column(dimension.key, dimension.key, "text" if dimension.choices is not None else "number")
                for dimension in view.dimensions
            ),
            Column("chosen_by", "chosen by"),
            Column("run", "run", "id"),
            Column("reason", "why it ended"),
        ),
        tuple(rows.itertuples(index=False, name=None)),
    )
