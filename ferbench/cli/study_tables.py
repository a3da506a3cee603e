"""What a study's trials and outcome look like on the terminal and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import click

from ferbench.cli.tables import fitting, show, terminal_width
from ferbench.tables.table import duration, shown
from ferbench.tuning.trials import CHOSEN_BY
from ferbench.tuning.view import StudyView
from ferbench.wording import one_line


def value_text(value: float | None) -> str:
    """A value of an objective as people read it."""
    if value is None:
        return ""
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"


def chosen_text(chosen: Mapping[str, Any]) -> str:
    """A trial's values as people read them; of ``loss.focal.gamma`` the last part says enough."""
    return one_line(
        ", ".join(f"{key.rpartition('.')[2]} {f'{v:.4g}' if isinstance(v, float) else v}" for key, v in chosen.items())
    )


def show_finalists(view: StudyView) -> None:
    """The best trials and how they did on test."""
    assert view.outcome is not None
    tried = view.outcome.trials
    width = terminal_width()
    _print(
        f"{tried.all} trials tried: {tried.complete} complete, {tried.pruned} pruned, {tried.failed} "
        "failed; chosen on validation, tested once per seed",
        width,
    )
    click.echo("")
    rows = []
    for finalist in view.finalists:
        scores = view.scores(finalist)
        rows.append(
            [
                str(finalist.trial),
                *map(value_text, finalist.values),
                str(len(finalist.runs)),
                *(shown(scores.get(name), "score") for name in view.tested_by),
                " ".join(run.run for run in finalist.runs),
            ]
        )
    tests = [f"test {name}" for name in view.tested_by]
    numbers = [
        *(f"val {objective.name}" if objective.is_metric else objective.name for objective in view.objectives),
        "seeds",
        *tests,
    ]
    spare = ["runs", "seeds", tests[2], tests[0]]
    show(fitting(["trial", *numbers, "runs"], rows, width, spare=spare, right=numbers), width)
    click.echo("")
    for finalist in view.finalists:
        _print(f"trial {finalist.trial}: {chosen_text(finalist.chosen)}", width)
        for lost in finalist.failed:
            _print(f"  seed {lost.seed} failed: {one_line(lost.reason)}", width)


def show_best(view: StudyView) -> None:
    """The best trials of a search that tests nothing."""
    for number in view.best:
        trial = view.trial(number)
        values = (
            f"{name} {value_text(value)}" for name, value in zip(view.record.objectives, trial.values, strict=True)
        )
        _print(f"best: trial {number}, {', '.join(values)}: {chosen_text(trial.params)}", terminal_width())


def _print(text: str, width: int | None) -> None:
    """A paragraph within so many columns; None: on one line."""
    click.echo(text if width is None else textwrap.fill(text, width, subsequent_indent="  ", break_on_hyphens=False))


def show_trials(view: StudyView) -> None:
    """Every trial, the best marked."""
    import pandas as pd

    frame, goals = view.frame, view.record.objectives

    def text(column: str, how: Any) -> pd.Series:
        return frame[column].map(lambda value: "" if pd.isna(value) else how(value))

    # That others were better needs no words, that a trial failed or diverged does.
    says = (frame["state"] == "failed") | frame["reason"].str.startswith("diverged")
    cells = pd.DataFrame(
        {
            "trial": [f"{number}{' *' if number in view.best else ''}" for number in frame["number"]],
            "state": frame["state"],
            **{name: text(f"values_{name}", value_text) for name in goals},
            "epochs": text("epochs", str),
            "time": text("seconds", duration),
            "chosen by": frame["chosen_by"],
            "run": frame["run"],
            "settings": [chosen_text(trial.params) for trial in view.trials],
            "reason": frame["reason"].where(says, ""),
        }
    )
    if not says.any():
        cells = cells.drop(columns="reason")
    width = terminal_width()
    spare = ["run", "chosen by", "epochs", "time", "reason", "settings"]
    show(fitting(list(cells), cells.to_numpy().tolist(), width, spare=spare, right=goals), width)


def trials_json(view: StudyView) -> list[dict[str, Any]]:
    """Every trial, as programs read it."""
    return [
        {
            "trial": trial.number,
            "state": state,
            "values": dict(zip(view.record.objectives, trial.values or [], strict=False)),
            "params": trial.params,
            "chosen_by": trial.user_attrs.get(CHOSEN_BY),
            **{key: trial.user_attrs[key] for key in ("run", "seconds", "reason") if key in trial.user_attrs},
        }
        for trial, state in zip(view.trials, view.frame["state"], strict=True)
    ]
