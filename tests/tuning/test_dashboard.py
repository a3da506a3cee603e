"""optuna-dashboard opens the storage of a study and shows its trials."""

from __future__ import annotations

import io
import json
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from ferbench.tuning.database import sqlite_url

optuna_dashboard = pytest.importorskip("optuna_dashboard")


def asked(url: str, path: str) -> Any:
    """What a dashboard on that storage answers to its own page's request."""
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO()}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
    said = []
    body = b"".join(optuna_dashboard.wsgi(url)(environ, lambda status, headers, *_: said.append(status)))
    assert said == ["200 OK"], body
    return json.loads(body)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "study.db")
    return request.getfixturevalue("postgresql_server").new_database()


def test_a_dashboard_shows_the_trials_and_their_values(opened, conductor, url):
    store = opened(url)
    conductor(store, target=3, epochs=2).run()
    store.ask(lambda trial: {}, 4)
    (study,) = asked(url, "/api/studies")["study_summaries"]
    assert study["study_name"] == "light"
    detail = asked(url, f"/api/studies/{study['study_id']}")
    assert [trial["state"] for trial in detail["trials"]] == ["Complete"] * 3 + ["Running"]
    assert [trial["values"] for trial in detail["trials"][:3]] == [[t.value] for t in store.study.get_trials()[:3]]
    assert all(len(trial["intermediate_values"]) == 2 for trial in detail["trials"][:3])
    assert {one["name"] for one in detail["union_search_space"]} == {"model.x", "model.n"}
    assert detail["objective_names"] == ["accuracy"]
