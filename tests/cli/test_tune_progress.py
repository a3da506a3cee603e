"""What a study shows while it goes on."""

from __future__ import annotations

import io
from types import SimpleNamespace

import optuna
import pytest
from rich.console import Console

from ferbench.cli import tune_progress as shown
from ferbench.cli.tune_progress import LiveTrials, TrialProgress
from ferbench.tuning.objectives import read_objectives
from ferbench.tuning.trials import OpenTrial, TrialResult

ONE = read_objectives(["macro_f1"])
CHOSEN = {"loss": "focal", "loss.focal.gamma": 1.5, "optimizer.lr": 0.001}


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test moves on: ``clock.now += 5``."""
    one = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(shown.time, "monotonic", lambda: one.now)
    return one


def begun(number: int) -> OpenTrial:
    return OpenTrial(number, dict(CHOSEN), 1, handle=None)


def result(number: int, value: float | None = 0.5, ending: str = "complete") -> TrialResult:
    values = None if value is None else [value]
    return TrialResult(trial=number, ending=ending, values=values, seconds=10.0)


def complete(number: int, value: float) -> optuna.trial.FrozenTrial:
    trial = optuna.trial.create_trial(values=[value], state=optuna.trial.TrialState.COMPLETE)
    trial.number = number
    return trial


def quiet(target: int, workers: int) -> TrialProgress:
    progress = TrialProgress(ONE, workers, quiet=True)
    progress.search_begins([], target)
    return progress


class TestTimeLeft:
    def test_nothing_is_said_before_a_trial_has_ended_or_when_all_have(self, clock):
        progress = quiet(1, 1)
        progress.trial_begins(begun(0))
        assert progress.seconds_left() is None
        progress.trial_ended(result(0), CHOSEN)
        assert progress.seconds_left() is None

    def test_what_a_running_trial_has_behind_it_counts(self, clock):
        progress = quiet(3, 1)
        progress.trial_begins(begun(0))
        clock.now += 10
        progress.trial_ended(result(0), CHOSEN)
        assert progress.seconds_left() == pytest.approx(20)
        progress.trial_begins(begun(1))
        clock.now += 4
        assert progress.seconds_left() == pytest.approx(6 + 10)

    def test_workers_share_what_is_left_but_not_a_single_trial(self, clock):
        progress = quiet(4, 2)
        for number in (0, 1):
            progress.trial_begins(begun(number))
        clock.now += 10
        progress.trial_ended(result(0), CHOSEN)
        progress.trial_begins(begun(2))
        progress.trial_ended(result(1), CHOSEN)
        assert progress.seconds_left() == pytest.approx(10)
        clock.now += 10
        progress.trial_ended(result(2), CHOSEN)
        assert progress.seconds_left() == pytest.approx(10)

    def test_a_trial_that_takes_longer_than_the_others_is_not_due_in_the_past(self, clock):
        progress = quiet(2, 1)
        progress.trial_begins(begun(0))
        clock.now += 1
        progress.trial_ended(result(0), CHOSEN)
        progress.trial_begins(begun(1))
        clock.now += 60
        assert progress.seconds_left() == 0


def test_what_a_study_waits_for_is_said_though_it_is_quiet(capsys):
    quiet(4, 1).waits("the storage 'postgresql://there' does not answer")
    quiet(4, 1).note("trial 3 goes on")
    assert capsys.readouterr().err == "warning: the storage 'postgresql://there' does not answer\n"


def test_trials_of_other_hosts_count_once_and_may_be_the_best():
    progress = quiet(9, 1)
    progress.trial_ended(result(0, 0.5), CHOSEN)
    for _ in range(2):
        progress.trials_are([complete(0, 0.5), complete(1, 0.75), complete(2, 0.25)])
    assert progress.count == "3 of 9 trials"
    assert progress.best == "best macro_f1 0.7500 of trial 1"


@pytest.fixture
def live(clock):
    def call(width: int, target: int = 9) -> LiveTrials:
        display = LiveTrials(ONE, 1)
        display.target = target
        display._console = Console(file=io.StringIO(), width=width, height=30)
        return display

    return call


def drawn(display: LiveTrials) -> list[str]:
    display._console.print(display)
    return display._console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [45, 80, 120])
def test_the_table_fits_the_terminal_and_keeps_its_numbers(live, clock, width):
    display = live(width)
    for number in range(3):
        display.trial_begins(begun(number))
        clock.now += 10
        display.trial_ended(result(number, 0.125 * (number + 1)), CHOSEN)
    display.trial_begins(begun(3))
    clock.now += 5
    display.epoch_ended(begun(3), "7/16", 0.4321)
    header, *lines = drawn(display)
    rows, headline = lines[:4], " ".join(line.strip() for line in lines[4:])
    assert header.split()[:5] == ["trial", "state", "epoch", "macro_f1", "time"]
    assert [row.split()[:3] for row in rows[:3]] == [[str(n), "complete", f"{0.125 * (n + 1):.4f}"] for n in range(3)]
    assert rows[3].split()[:6] == ["3", "running", "7/16", "0.4321", "5", "s"]
    assert ("loss focal" in rows[3]) == (width > 45)
    assert headline == "3 of 9 trials · best macro_f1 0.3750 of trial 2 · about 55 s left"
    assert all(len(line) <= width for line in [header, *lines])


def test_the_runs_over_seeds_are_shown_while_they_go_on(live):
    display = live(120, target=1)
    display.trial_ended(result(0), CHOSEN)
    display.repeating(1, 3, ["small-trial0-seed1 4/16"])
    assert drawn(display)[-1].endswith("1 of 3 runs tested · small-trial0-seed1 4/16")
    display.repeating(3, 3, [])
    assert drawn(display)[-1] == "1 of 1 trials · best macro_f1 0.5000 of trial 0"
