"""Hosts that share a study: trials of silent ones are taken over, and what a slow one still does counts once."""

from __future__ import annotations

import time

import light
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from ferbench.records.study import RepeatedAt, RepeatedTrials
from ferbench.tuning.database import without_warnings
from ferbench.tuning.trials import TrialResult, is_open


@pytest.fixture
def hosts(opened, postgresql_server):
    """Two hosts of one study; trials of a host that is silent for a second are tried again."""
    url = postgresql_server.new_database()
    return opened(url, grace=1), opened(url, grace=1)


def taken(slow, other):
    """A trial of ``slow`` in whose place ``other`` has put another."""
    mine = slow.ask(light.SPACE.suggest, 2)
    other.lost_sight()  # which takes from now on as long as a machine under load may take until here
    assert other.recover(()) == []
    time.sleep(1.1)
    assert other.recover(()) == [mine.number]
    return mine


def state(store) -> TrialState:
    (trial,) = store.all()
    return trial.state


def test_a_host_that_shows_itself_keeps_its_trial(opened, postgresql_server):
    url = postgresql_server.new_database()
    slow, other = opened(url, grace=3), opened(url, grace=3)
    mine = slow.ask(light.SPACE.suggest, 1)
    for _ in range(4):
        assert other.recover(()) == []
        time.sleep(1)
        slow.beat([mine.number])
    assert other.recover(()) == []
    assert state(slow) is TrialState.RUNNING


def test_a_database_that_was_away_makes_no_host_silent(hosts):
    slow, other = hosts
    slow.ask(light.SPACE.suggest, 1)
    time.sleep(1.1)
    other.lost_sight()
    assert other.recover(()) == []


def test_a_host_that_has_just_come_holds_nobody_to_be_silent(hosts, opened):
    slow, _ = hosts
    slow.ask(light.SPACE.suggest, 1)
    time.sleep(1.1)
    url = slow.storage.optuna.url
    assert opened(url, grace=1).recover(()) == []


def test_a_trial_is_taken_over_with_its_values_and_attempts(hosts):
    slow, other = hosts
    mine = slow.ask(light.SPACE.suggest, 1)
    slow.report(mine, 1, 0.5)
    other.lost_sight()
    assert other.recover(()) == []
    time.sleep(1.1)
    assert other.recover(()) == [mine.number]
    again = other.ask(light.SPACE.suggest, 1)
    assert (again.chosen, again.attempt) == (mine.chosen, 2)
    assert [trial.number for trial in other.all()] == [again.number]
    assert other.all()[0].intermediate_values == {1: 0.5}
    assert slow.ask(light.SPACE.suggest, 1) is None


def test_a_slow_host_s_result_counts_while_the_trial_waits(hosts):
    slow, other = hosts
    mine = taken(slow, other)
    assert not slow.report(mine, 1, 0.5)
    assert slow.tell(TrialResult(trial=mine.number, ending="complete", values=[0.75], chosen=mine.chosen))
    assert state(other) is TrialState.COMPLETE
    assert other.ask(light.SPACE.suggest, 1) is None


def test_a_trial_that_has_ended_meanwhile_is_neither_gone_on_with_nor_told_again(hosts):
    slow, other = hosts
    mine = taken(slow, other)
    again = other.ask(light.SPACE.suggest, 1)
    assert slow.tell(TrialResult(trial=mine.number, ending="complete", values=[0.75], chosen=mine.chosen))
    other.beat([again.number])
    other.put_back(again.number)
    assert other.report(again, 1, 0.5)
    assert not other.tell(TrialResult(trial=again.number, ending="complete", values=[0.25], chosen=again.chosen))
    (trial,) = other.all()
    assert trial.value == 0.75


@pytest.mark.parametrize("died", ["as it asked", "as it began a trial in another's place"])
def test_a_trial_whose_host_died_before_its_first_heartbeat_waits_again(hosts, died):
    slow, other = hosts
    if died != "as it asked":
        taken(slow, other)
    with without_warnings():
        lost = slow.study.ask()  # and no more
    assert other.recover(()) == [lost.number]
    again = other.ask(light.SPACE.suggest, 1)
    assert again.number == lost.number
    assert len(other.all()) == 1


def test_a_trial_whose_second_host_died_before_it_put_another_in_its_place_is_tried_again(hosts):
    slow, other = hosts
    mine = slow.ask(light.SPACE.suggest, 1)
    slow.study.tell(mine.number, state=TrialState.FAIL)  # as fail_stale_trials does
    assert any(is_open(trial) for trial in other.all())
    assert other.recover(()) == [mine.number]
    assert other.ask(light.SPACE.suggest, 1).chosen == mine.chosen


def test_what_another_host_has_repeated_and_tested_is_known(hosts):
    first, other = hosts
    assert other.tested() is None
    noted = RepeatedAt(of=RepeatedTrials(trials=[1], seeds=[0]), at="there:/results")
    first.note_tested(noted)
    assert other.tested() == noted


def failed_for_silence(store, number: int) -> None:
    store.storage.optuna.set_trial_state_values(store._id_of(number), TrialState.FAIL)


def test_a_host_that_was_silent_as_it_asked_has_no_trial_and_asks_again(hosts):
    slow, other = hosts

    def silent(trial):
        failed_for_silence(other, trial.number)
        return light.SPACE.suggest(trial)

    assert slow.ask(silent, 1) is None
    again = slow.ask(light.SPACE.suggest, 1)
    assert again is None  # until another stands in its place
    assert slow.recover(()) == [0]
    assert slow.ask(light.SPACE.suggest, 1).number == 1


def test_a_heart_beats_while_a_sampler_chooses(hosts, monkeypatch):
    slow, _ = hosts
    beats = []

    def choose(trial):
        monkeypatch.setattr(slow.storage.optuna, "record_heartbeat", beats.append)
        slow.beat(())
        return light.SPACE.suggest(trial)

    mine = slow.ask(choose, 1)
    assert beats == [slow._id_of(mine.number)]
    slow.beat(())
    assert len(beats) == 1


def test_a_trial_is_not_lost_whose_place_the_storage_could_not_give_to_another(opened, monkeypatch):
    store = opened()

    def away(*_):
        raise StorageInternalError("away")

    for number in range(2):
        assert store.ask(light.SPACE.suggest, 1).number == number
        failed_for_silence(store, number)
        with monkeypatch.context() as patch, pytest.raises(StorageInternalError):
            patch.setattr(store.study, "add_trial", away)
            store.recover(())
        assert [trial.number for trial in store.all()] == [number]
        assert store.recover(()) == [number]
