"""What a study's trials and outcome look like on the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from optuna.trial import FrozenTrial, TrialState

from ferbench.cli.progress import duration
from ferbench.cli.tables import fitting, show, terminal_width
from ferbench.cli.trials import chosen_text, value_text
from ferbench.plugin.faults import one_line
from ferbench.tables.table import Spread, shown
from ferbench.tune.algorithms import CHOSEN_BY, choice_words
from ferbench.tune.objectives import COSTS
from ferbench.tune.view import STATES, test_metrics

#: Metrics of the runs that were tested.
_TESTED = ("accuracy", "macro_f1", "worst_class_f1")


def tested(outcome: dict[str, Any], results: Path) -> list[tuple[dict[str, Any], dict[str, Spread]]]:
    """Each finalist of an outcome with its test metrics over the seeds; without those of runs that are gone."""
    found = []
    for finalist in outcome["finalists"]:
        scores = [one for run in finalist["runs"] if (one := test_metrics(results, run["run"]))]
        spreads = {}
        for name in _TESTED if scores else ():
            values = [one[name] for one in scores]
            spreads[name] = Spread(sum(values) / len(values), min(values), max(values))
        found.append((finalist, spreads))
    return found


def show_finalists(outcome: dict[str, Any], results: Path) -> None:
    """The best trials and how they did on test."""
    tried = outcome["trials"]
    width = terminal_width()
    say(
        f"{tried['all']} trials tried: {tried['complete']} complete, {tried['pruned']} pruned, {tried['failed']} "
        "failed; chosen on validation, tested once per seed",
        width,
    )
    click.echo("")
    validation = [name if name in COSTS else f"val {name}" for name in outcome["objectives"]]
    tests = [f"test {name}" for name in _TESTED]
    rows = [
        [
            str(finalist["trial"]),
            *(value_text(value) for value in finalist["values"]),
            str(len(finalist["runs"])),
            *(shown(spreads.get(name), "score") for name in _TESTED),
            " ".join(run["run"] for run in finalist["runs"]),
        ]
        for finalist, spreads in tested(outcome, results)
    ]
    numbers = [*validation, "seeds", *tests]
    spare = ["runs", "seeds", tests[2], tests[0]]
    show(fitting(["trial", *numbers, "runs"], rows, width, spare=spare, right=numbers), width)
    click.echo("")
    for finalist in outcome["finalists"]:
        say(f"trial {finalist['trial']}: {chosen_text(finalist['chosen'])}", width)
        for run in finalist["failed"]:
            say(f"  seed {run['seed']} failed: {one_line(run['reason'])}", width)


def show_best(trials: Sequence[FrozenTrial], objectives: Sequence[str], best: Sequence[int]) -> None:
    """The best trials of a search that tests nothing."""
    for trial in (trial for number in best for trial in trials if trial.number == number):
        values = (f"{name} {value_text(value)}" for name, value in zip(objectives, trial.values, strict=True))
        say(f"best: trial {trial.number}, {', '.join(values)}: {chosen_text(trial.params)}", terminal_width())


def say(text: str, width: int | None) -> None:
    """A paragraph within so many columns; None: on one line."""
    click.echo(text if width is None else textwrap.fill(text, width, subsequent_indent="  ", break_on_hyphens=False))


def show_trials(trials: Sequence[FrozenTrial], objectives: Sequence[str], best: set[int]) -> None:
    """Every trial, the best marked."""
    rows = []
    for trial in trials:
        complete = trial.state is TrialState.COMPLETE
        values = [value_text(value) for value in trial.values] if complete else [""] * len(objectives)
        last = max(trial.intermediate_values, default=None)
        seconds = trial.user_attrs.get("seconds")
        rows.append(
            [
                f"{trial.number}{' *' if trial.number in best else ''}",
                STATES[trial.state],
                *values,
                "" if last is None else str(last),
                "" if seconds is None else duration(seconds),
                choice_words(trial.user_attrs.get(CHOSEN_BY)),
                str(trial.user_attrs.get("run", "")),
                chosen_text(trial.params),
                _reason(trial),
            ]
        )
    width = terminal_width()
    columns = ["trial", "state", *objectives, "epochs", "time", "chosen by", "run", "settings", "reason"]
    spare = ["run", "chosen by", "epochs", "time", "reason", "settings"]
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    show(fitting(columns, rows, width, spare=spare, right=objectives), width)


def _reason(trial: FrozenTrial) -> str:
    """Why it failed or diverged; that others were better needs no words."""
    reason = str(trial.user_attrs.get("reason", ""))
    return reason if trial.state is TrialState.FAIL or reason.startswith("diverged") else ""
