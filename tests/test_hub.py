import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from huggingface_hub import constants

from ferbench import UserError
from ferbench.hub import _reachable, hub_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """Has ``owner/name`` with one file, ``here.txt``."""

    page = 200
    file = 200

    def do_HEAD(self) -> None:
        at_a_file = "/resolve/" in self.path
        self.send_response(self.file if at_a_file else self.page)
        if at_a_file and self.file == 200:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", '"e7a9"')
        self.send_header("Content-Length", "5" if self.file == 200 else "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if self.file == 200:
            self.wfile.write(b"hello")

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving(**answers: int) -> Iterator[str]:
    """A hub's address; ``page`` and ``file`` are the status of what it answers."""
    handler = type("Answering", (Hub,), answers)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def online(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def at(endpoint: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )

    return at


def test_offline_mode_is_named():
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids") as error:
        hub_file("owner/name", "model.safetensors", remedy="do this")
    assert error.value.remedy == "do this"


def test_a_hub_that_does_not_answer_is_named(online):
    online("http://127.0.0.1:9")  # the discard port, where nobody listens
    with pytest.raises(UserError, match="the hub cannot be reached"):
        hub_file("owner/name", "model.safetensors", remedy="do this")


def test_a_hub_that_takes_the_connection_and_says_nothing_costs_two_seconds_at_most(online):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        online(f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(UserError, match="the hub cannot be reached"):
            hub_file("owner/name", "model.safetensors", remedy="do this")
        assert time.monotonic() - started < 2.0


@pytest.mark.parametrize(
    ("status", "answer"),
    [(503, "503 (Service Unavailable)"), (500, "500 (Internal"), (429, "429 (Too Many Requests)"), (403, "403 (Forb")],
)
def test_a_hub_that_reachable_with_an_error_is_asked_once_and_says_nothing_itself(online, capfd, status, answer):
    with serving(page=status, file=status) as endpoint:
        online(endpoint)
        started = time.monotonic()
        with pytest.raises(UserError) as error:
            hub_file("owner/name", "model.safetensors", remedy="do this")
        assert time.monotonic() - started < 2.0
    assert f"could not be fetched: the hub answers {answer}" in error.value.message
    assert error.value.remedy == "do this"
    assert capfd.readouterr().err == ""


def test_a_file_is_fetched_once(online):
    with serving() as endpoint:
        online(endpoint)
        found = hub_file("owner/name", "here.txt", remedy="do this")
    assert found.read_text() == "hello"
    assert found.parent.name == COMMIT
    online("http://127.0.0.1:9")
    assert hub_file("owner/name", "here.txt", remedy="do this") == found


def test_what_is_no_name_of_a_repository_is_said_plainly():
    with pytest.raises(UserError, match="neither a local folder nor a name"):
        hub_file("some/where/on/disk", "config.json", remedy="do this")


def test_any_answer_counts_as_an_answer(online):
    with serving(page=403) as endpoint:
        assert _reachable(endpoint)
