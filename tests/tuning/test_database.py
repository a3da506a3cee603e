"""Where studies are kept: what can be opened, and that no password is shown."""

from __future__ import annotations

import os
import threading
import time
import warnings

import light
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from ferbench.errors import UserError
from ferbench.storage import fenced
from ferbench.tuning.algorithms import make_pruner, make_sampler
from ferbench.tuning.database import AWAY, Storage, refuse_lasting, shown_url, sqlite_url
from ferbench.tuning.trials import TrialResult, Trials

SECRET = "s3cret"

urls_with_a_secret = st.builds(
    "{}://{}:{}@{}".format,
    st.sampled_from(["postgresql+psycopg", "postgresql", "postgres", "mysql", "oracle"]),
    st.text("user", max_size=3),
    st.builds(f"{{}}{SECRET}{{}}".format, *[st.text("ab1:/?#@%&=[]. ", max_size=4)] * 2),
    st.sampled_from(["127.0.0.1:1/x", "127.0.0.1:1", "127.0.0.1:1/x?sslmode=disable", "/x", "127.0.0.1:port/x"]),
)


@given(url=urls_with_a_secret)
def test_no_part_of_a_password_is_shown_however_it_is_written(url):
    assert SECRET not in shown_url(url)
    with pytest.raises(UserError) as caught:
        Storage(url)
    assert SECRET not in caught.value.message + caught.value.remedy


def test_a_password_among_the_url_s_options_is_not_shown_either():
    shown = shown_url(f"postgresql+psycopg://me@there/studies?password={SECRET}&sslpassword={SECRET}&sslmode=require")
    assert SECRET not in shown
    assert shown.startswith("postgresql+psycopg://me@there/studies?")
    assert "sslmode=require" in shown


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("nonsense", "is no database url"),
        ("", "is no database url"),
        ("postgresql+psycopg://me@there:five/x", "is no database url"),
        ("oracle://me@there/x", "PostgreSQL with psycopg, or MySQL with PyMySQL"),
        ("postgresql+pg8000://me@there/x", "PostgreSQL with psycopg, or MySQL with PyMySQL"),
        ("mysql+mysqldb://me@there/x", "PostgreSQL with psycopg, or MySQL with PyMySQL"),
        ("mysql://me@127.0.0.1:1/x", "cannot be opened"),
        ("mariadb://me@127.0.0.1:1/x?nothing=1", "cannot be opened"),
        ("postgresql+psycopg://me@127.0.0.1:1/x", "cannot be opened"),
        ("postgresql+psycopg:///x?host=/nowhere", "cannot be opened"),
        ("postgresql+psycopg://me@127.0.0.1:1/x?nothing=1", "cannot be opened"),
        ("sqlite:////nowhere/study.db", "cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_had_is_an_error_of_two_lines(url, what):
    with pytest.raises(UserError) as caught:
        Storage(url)
    assert what in caught.value.message
    assert "\n" not in caught.value.message + caught.value.remedy
    assert "--storage" in caught.value.remedy or "write it as" in caught.value.remedy


def test_a_study_warns_of_nothing_and_leaves_the_warnings_of_others_alone(opened, recwarn):
    before = list(warnings.filters)
    for algorithm in ("tpe", "gp", "cma-es", "nsga-ii"):
        store = opened(name=algorithm)
        store.use(make_sampler(algorithm, light.OBJECTIVES, 0), make_pruner("hyperband", 9))
        mine = store.ask(light.SPACE.suggest, 1)
        store.report(mine, 1, 0.5)
        assert store.tell(TrialResult(trial=mine.number, ending="complete", values=[0.5]))
    assert not [str(one.message) for one in recwarn]
    assert list(warnings.filters) == before


def test_a_host_that_starts_waits_for_one_that_creates_the_study(opened, postgresql_server):
    url = postgresql_server.new_database()
    creator = Storage(url)
    with creator.locked("light", starting=True):
        waiting = threading.Thread(target=opened, args=(url,), daemon=True)
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()
    creator.close()


def test_one_host_at_a_time_claims_something(postgresql_server):
    url = postgresql_server.new_database()
    first, second = Storage(url), Storage(url)
    with first.claimed("final") as mine:
        assert mine
        with second.claimed("final") as too:
            assert not too
        with second.claimed("something else") as other:
            assert other
    with second.claimed("final") as mine:
        assert mine
    first.close()
    second.close()


def test_a_claim_ends_without_an_error_when_the_database_went_away_meanwhile(postgresql_server):
    storage = Storage(postgresql_server.new_database())
    with storage.claimed("final") as mine:
        assert mine
        postgresql_server.stop(at_once=True)
        postgresql_server.start()
    with storage.claimed("final") as mine:
        assert mine
    storage.close()


def test_hosts_share_a_study_through_mysql(opened, conductor, mysql_server):
    url = mysql_server.new_database()
    first, second = opened(url, grace=1), opened(url, grace=1)
    with first.storage.claimed("final") as mine, second.storage.claimed("final") as too:
        assert (mine, too) == (True, False)
    lost = first.ask(light.SPACE.suggest, 4)
    first.report(lost, 1, 0.5)
    assert second.recover(()) == []
    time.sleep(2.1)  # its clock has whole seconds
    assert second.recover(()) == [lost.number]
    again = second.ask(light.SPACE.suggest, 4)
    assert again.chosen == lost.chosen
    assert first.tell(TrialResult(lost.number, "complete", [0.75], chosen=lost.chosen))
    assert not second.tell(TrialResult(again.number, "complete", [0.25], chosen=again.chosen))
    made = conductor(second, target=4, seconds=0.5, epochs=2)
    stopped = []

    def restart(running):
        if not stopped and len(running.working) == 2:
            stopped.append(mysql_server.stop(at_once=True))
        elif stopped == [None] and running.untold:
            stopped.append(mysql_server.start())

    made.observer.ticks.append(restart)
    made.run()
    assert len(stopped) == 2
    assert any("answers again" in line for line in made.observer.lines)
    assert [trial.state for trial in second.all()] == [TrialState.COMPLETE] * 4
    assert 0.75 in [trial.value for trial in second.all()]


def test_a_mysql_server_keeps_a_claim_of_hours_and_what_is_long(opened, mysql_server):
    url = mysql_server.new_database()
    with mysql_server._connected() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL wait_timeout = 1")
        try:
            first, second = opened(url), opened(url)
            mine = first.ask(light.SPACE.suggest, 1)
            result = TrialResult(mine.number, "failed", reason="\N{GRINNING FACE}" * 20_000, chosen=mine.chosen)
            assert first.tell(result)
            with first.storage.claimed("final"):
                time.sleep(2)
                with second.storage.claimed("final") as too:
                    assert not too
        finally:
            cursor.execute("SET GLOBAL wait_timeout = 28800")


def test_what_a_mysql_server_refuses_for_good_is_an_error(mysql_server):
    url = mysql_server.new_database()
    for wrong in (f"{url}_not_there", url.replace("ferbench:", "ferbench:x")):
        with pytest.raises(UserError, match="cannot be opened") as refused:
            Storage(wrong)
        assert any(said in refused.value.message for said in ("Unknown database", "Access denied"))
    store = Trials(Storage(url), "light", light.OBJECTIVES)
    with store.storage.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE trial_values")
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        connection.exec_driver_sql("DROP TABLE trials")
    with pytest.raises(AWAY) as away:
        store.all()
    with pytest.raises(UserError, match="can no longer be used"):
        refuse_lasting(away.value, store.storage.shown)
    store.storage.close()


def test_a_host_that_lost_a_study_commits_nothing_to_its_file(tmp_path):
    lost = UserError("the study was taken over", "wait")

    def look():
        if taken:
            raise lost

    taken = False
    with fenced(tmp_path, look):
        storage = Storage(f"sqlite:///{tmp_path}/study.db")
        study = optuna.create_study(storage=storage.optuna, study_name="one")
        study.ask()
        taken = True
        with pytest.raises(UserError) as raised:
            study.ask()
    assert raised.value is lost
    assert len(study.trials) == 1
    storage.close()


@pytest.mark.parametrize("name", ["study.db", "study.db-wal", "study.db-journal"])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkfifo, "it is no regular file"),
        (os.mkdir, "it is a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a symbolic link"),
    ],
)
def test_what_is_no_file_is_a_damaged_database(tmp_path, name, make, what):
    make(tmp_path / name)
    with pytest.raises(UserError, match=rf"study\.db is damaged: .*{what}") as raised:
        sqlite_url(tmp_path / "study.db")
    assert "search again" in raised.value.remedy
