"""Trials handed to workers that are processes: each ends once, whatever happens to workers and storage."""

from __future__ import annotations

import os
import re
import signal
import time

import light
import optuna
import psutil
import pytest
import sqlalchemy
from optuna.trial import TrialState

from ferbench.errors import UserError
from ferbench.training.interruption import Interrupted
from ferbench.tuning.trials import TrialResult


def states(store) -> list[TrialState]:
    return [trial.state for trial in store.study.get_trials()]


def workers_of(conductor) -> list[psutil.Process]:
    return [psutil.Process(worker.process.pid) for worker in conductor.workers.all]


def test_a_study_ends_with_so_many_trials_and_their_values(opened, conductor):
    store = opened()
    conductor(store, target=6).run()
    trials = store.study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    assert [trial.number for trial in trials] == list(range(6))
    for trial in trials:
        assert trial.value == pytest.approx(1 - (trial.params["model.x"] - 0.3) ** 2)


def test_a_study_goes_on_to_a_higher_target_in_another_call(opened, conductor):
    conductor(opened(), target=2).run()
    second = opened()
    conductor(second, target=5).run()
    assert len(states(second)) == 5


def test_epochs_reach_the_pruner_and_end_trials(opened, conductor):
    store = opened(pruner="median")
    conductor(store, target=14, epochs=4).run()
    trials = store.study.get_trials()
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert all(len(trial.intermediate_values) < 4 for trial in pruned)
    assert all(len(t.intermediate_values) == 4 for t in trials if t.state is TrialState.COMPLETE)


def test_a_killed_worker_costs_no_trial_and_no_other_worker(opened, conductor):
    store = opened()
    made = conductor(store, target=8, seconds=0.4)
    killed = []

    def kill_the_first(running):
        if not killed and len(running.working) == 2:
            killed.append(running.workers.all[0].process.pid)
            survivor = running.workers.all[1].process.pid
            os.kill(killed[0], signal.SIGKILL)
            killed.append(survivor)

    made.observer.ticks.append(kill_the_first)
    made.run()
    assert states(store) == [TrialState.COMPLETE] * 8
    assert sum("died (killed by signal 9, as where memory runs out)" in line for line in made.observer.lines) == 1
    assert killed[1] in [worker.process.pid for worker in made.workers.all]


def test_a_trial_that_kills_every_worker_is_given_up(opened, conductor):
    store = opened()
    conductor(store, target=3, dies=1).run()
    assert states(store) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert "died 3 times" in store.study.get_trials()[1].user_attrs["reason"]


def test_a_recipe_that_always_fails_stops_the_study_with_its_reason(opened, conductor):
    with pytest.raises(UserError) as caught:
        conductor(opened(), target=50, fails=True).run()
    assert "have all failed" in caught.value.message
    assert "nothing works" in caught.value.remedy


def test_a_full_disk_ends_the_study_and_counts_against_no_trial(opened, conductor):
    store = opened()
    with pytest.raises(UserError) as caught:
        conductor(store, target=3, full=True).run()
    assert "No space left on device" in caught.value.message
    assert "free some space" in caught.value.remedy
    assert set(states(store)) == {TrialState.WAITING}
    second = opened()
    conductor(second, target=3).run()
    assert states(second) == [TrialState.COMPLETE] * 3
    assert [trial.user_attrs["begun"]["attempt"] for trial in second.study.get_trials()] == [1, 1, 1]


def test_workers_that_cannot_start_are_no_endless_loop(opened, conductor):
    made = conductor(opened(), workers=1)
    made.workers.kill()
    made.workers.task = "sleeping:no_such_thing"
    made.workers.start()
    with pytest.raises(UserError, match="no_such_thing"):
        made.run()


def test_a_signal_ends_the_workers_and_leaves_trials_that_go_on_with_their_values(opened, conductor):
    store = opened()
    made = conductor(store, target=4, seconds=30, epochs=300)
    processes: list[psutil.Process] = []

    def interrupt(running):
        if len(running.working) == 2 and all(len(mine.values) > 1 for mine in running.working.values()):
            processes.extend(workers_of(running))
            running.interruption.pending = signal.SIGTERM

    made.observer.ticks.append(interrupt)
    with pytest.raises(Interrupted) as caught:
        made.run()
    assert caught.value.signal == signal.SIGTERM
    assert not any(process.is_running() for process in processes)
    assert states(store) == [TrialState.WAITING] * 2
    before = {trial.number: trial.params for trial in store.study.get_trials()}
    second = opened()
    conductor(second, target=2).run()
    assert states(second) == [TrialState.COMPLETE] * 2
    assert {trial.number: trial.params for trial in second.study.get_trials()} == before
    assert [trial.user_attrs["begun"]["attempt"] for trial in second.study.get_trials()] == [1, 1]


def test_trials_of_a_killed_parent_are_put_back_in_line(opened, conductor):
    store = opened()
    lost = store.ask(light.SPACE.suggest, 4)
    second = opened()
    assert second.recover(()) == [lost.number]
    conductor(second, target=1).run()
    assert second.study.get_trials()[0].params == lost.handle.params
    assert states(second) == [TrialState.COMPLETE]


def test_a_parent_that_dies_takes_its_workers_along(opened, conductor):
    made = conductor(opened())
    (first, second) = workers_of(made)
    for worker in made.workers.all:
        worker.line.close()  # what the kernel does for a process that dies
    gone, alive = psutil.wait_procs([first, second], timeout=20)
    assert len(gone) == 2, alive


def test_results_wait_while_the_storage_is_away(opened, conductor):
    store = opened()
    made = conductor(store, target=6, seconds=0.3)
    away: list[bool] = []
    waiting: list[int] = []

    def refuse(*_):
        if away == [True]:
            raise sqlalchemy.exc.OperationalError("connect", {}, Exception("connection refused"))

    sqlalchemy.event.listen(store.storage.engine, "before_cursor_execute", refuse)

    def look(running):
        if not away and len(running.working) == 2:
            away.append(True)
        waiting.append(len(running.untold))
        if waiting[-1] == 2:
            away.append(False)

    made.observer.ticks.append(look)
    made.run()
    assert max(waiting) == 2
    assert states(store) == [TrialState.COMPLETE] * 6
    assert not made.untold
    assert any("does not answer" in line for line in made.observer.lines)
    assert any("answers again" in line for line in made.observer.lines)


def test_a_result_is_told_once(opened):
    store = opened()
    mine = store.ask(light.SPACE.suggest, 1)
    assert store.tell(TrialResult(trial=mine.number, ending="complete", values=[0.75]))
    assert not store.tell(TrialResult(trial=mine.number, ending="complete", values=[0.25]))
    assert store.study.get_trials()[0].value == 0.75


def test_a_result_of_another_trial_by_that_number_is_not_told(opened):
    store = opened()
    mine = store.ask(light.SPACE.suggest, 1)
    others = {**mine.chosen, "model.x": mine.chosen["model.x"] / 2}
    assert not store.tell(TrialResult(trial=mine.number, ending="complete", values=[0.75], chosen=others))
    assert states(store) == [TrialState.RUNNING]
    assert store.tell(TrialResult(trial=mine.number, ending="complete", values=[0.5], chosen=mine.chosen))


def test_a_grid_is_tried_point_by_point_and_goes_on_where_it_was(opened, conductor):
    points = [{"model.x": x, "model.n": n} for x in (0.0, 0.5, 1.0) for n in (1, 2)]
    store = opened()
    assert store.fill(iter(points), 4) == 4
    assert store.fill(iter(points), 100) == 6
    conductor(store, target=6).run()
    assert [trial.params for trial in store.study.get_trials()] == points


def test_a_plain_optuna_reads_the_study(opened, conductor, tmp_path):
    conductor(opened(), target=3).run()
    study = optuna.load_study(study_name="light", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert study.best_value == max(trial.value for trial in study.trials)
    assert study.metric_names == ["accuracy"]


def sqlite(statement):
    return lambda store: store.storage.engine.connect().exec_driver_sql(statement)


def postgresql_tables(store):
    with store.storage.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE trials CASCADE")


def full_disk(store):
    """As SQLite sees one: no page more than there are."""

    def limit(connection, _record):
        connection.execute("PRAGMA max_page_count = 1")

    sqlalchemy.event.listen(store.storage.engine, "connect", limit)
    store.storage.engine.dispose()


def deleted_study(store):
    optuna.delete_study(study_name=store.name, storage=store.storage.optuna)


@pytest.mark.parametrize(
    ("spoil", "on", "cause"),
    [
        (sqlite("DROP TABLE trials"), "a file", "no such table: trials"),
        (postgresql_tables, "a server", 'relation "trials" does not exist'),
        (full_disk, "a file", "database or disk is full"),
        (deleted_study, "a file", "the study is gone"),
    ],
)
def test_what_waiting_does_not_mend_is_an_error(opened, conductor, request, spoil, on, cause):
    url = request.getfixturevalue("postgresql_server").new_database() if on == "a server" else None
    store = opened(url)
    made = conductor(store, target=60, seconds=0.1)
    spoilt = []

    def once(running):
        if not spoilt and running.results:
            spoilt.append(spoil(store))

    made.observer.ticks.append(once)
    with pytest.raises(UserError, match="can no longer be used") as refused:
        made.run()
    assert cause in refused.value.message
    assert ("free some space" in refused.value.remedy) == ("full" in cause)


def test_how_long_a_storage_is_waited_for_is_said_again_and_again(opened, conductor, monkeypatch):
    monkeypatch.setattr("ferbench.tuning.conductor._SAID_EVERY", 1.0)
    store = opened()
    made = conductor(store, target=4, seconds=0.1)
    away: list[float] = []

    def refuse(*_):
        if away and time.monotonic() < away[0]:
            raise sqlalchemy.exc.OperationalError("connect", {}, Exception("connection refused"))

    sqlalchemy.event.listen(store.storage.engine, "before_cursor_execute", refuse)
    made.observer.ticks.append(lambda running: away or away.append(time.monotonic() + 3.0))
    made.run()
    lines = [line for line in made.observer.lines if "the storage 'sqlite:///" in line]
    assert len([line for line in lines if re.search(r"has not answered for \d+ s \(connection refused\)", line)]) >= 1
