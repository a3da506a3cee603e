"""Hosts that share a study: trials of silent ones are taken over, and what a slow one still does counts once."""

from __future__ import annotations

import time

import light
import pytest
from optuna.trial import TrialState

from ferbench.records.study import RepeatedAt, RepeatedTrials, TrialResult


@pytest.fixture
def hosts(opened, postgresql_server):
    """Two hosts of one study; trials of a host that is silent for 0.2 s are taken over."""
    url = postgresql_server.new_database()
    return opened(url, grace=0.2), opened(url, grace=0.2)


def taken(slow, other):
    """A trial of ``slow`` that ``other`` has put back in line."""
    mine = slow.ask(light.SPACE.suggest, 2)
    assert other.take_over() == []
    time.sleep(0.3)
    assert other.take_over() == [mine.number]
    return mine


def state(store) -> TrialState:
    (trial,) = store.study.get_trials()
    return trial.state


def test_a_host_that_shows_itself_keeps_its_trial(hosts):
    slow, other = hosts
    mine = slow.ask(light.SPACE.suggest, 1)
    for _ in range(4):
        assert other.take_over() == []
        time.sleep(0.15)
        slow.beat([mine.number])
    assert state(slow) is TrialState.RUNNING


def test_a_database_that_was_away_makes_no_host_silent(hosts):
    slow, other = hosts
    slow.ask(light.SPACE.suggest, 1)
    assert other.take_over() == []
    time.sleep(0.3)
    other.lost_sight()
    assert other.take_over() == []


def test_a_trial_is_taken_over_with_its_values_and_attempts(hosts):
    slow, other = hosts
    mine = slow.ask(light.SPACE.suggest, 1)
    assert slow.begun(mine)
    assert other.take_over() == []
    time.sleep(0.3)
    other.take_over()
    again = other.ask(light.SPACE.suggest, 1)
    assert (again.number, again.chosen, again.attempt) == (mine.number, mine.chosen, 2)
    assert slow.ask(light.SPACE.suggest, 1, active=[mine.number]) is None


def test_a_slow_host_s_result_counts_while_the_trial_waits(hosts):
    slow, other = hosts
    mine = taken(slow, other)
    assert slow.tell(TrialResult(trial=mine.number, ending="complete", values=[0.75], chosen=mine.chosen))
    assert state(other) is TrialState.COMPLETE
    assert other.ask(light.SPACE.suggest, 1) is None


def test_a_trial_that_has_ended_meanwhile_is_neither_begun_nor_gone_on_with_nor_told_again(hosts):
    slow, other = hosts
    taken(slow, other)
    again = other.ask(light.SPACE.suggest, 1)
    assert slow.tell(TrialResult(trial=again.number, ending="complete", values=[0.75], chosen=again.chosen))
    other.beat([again.number])
    assert not other.begun(again)
    assert other.report(again, 1, 0.5)
    assert not other.tell(TrialResult(trial=again.number, ending="complete", values=[0.25], chosen=again.chosen))
    (trial,) = other.study.get_trials()
    assert trial.value == 0.75


def test_what_another_host_has_repeated_and_tested_is_known(hosts):
    first, other = hosts
    assert other.tested() is None
    noted = RepeatedAt(of=RepeatedTrials(trials=[1], seeds=[0]), at="there:/results")
    first.note_tested(noted)
    assert other.tested() == noted
