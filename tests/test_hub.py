import http.server
import socket
import threading
import time

import pytest
from huggingface_hub import constants

from ferbench import UserError
from ferbench.hub import _answers, hub_file


def test_offline_mode_is_named():
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids") as error:
        hub_file("owner/name", "model.safetensors", remedy="do this")
    assert error.value.remedy == "do this"


def test_a_hub_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port, where nobody listens
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UserError, match="the hub cannot be reached"):
        hub_file("owner/name", "model.safetensors", remedy="do this")


def test_a_hub_that_takes_the_connection_and_says_nothing_costs_two_seconds_at_most(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(UserError, match="the hub cannot be reached"):
            hub_file("owner/name", "model.safetensors", remedy="do this")
        assert time.monotonic() - started < 2.0


def test_what_is_no_name_of_a_repository_is_said_plainly():
    with pytest.raises(UserError, match="neither a local folder nor a name"):
        hub_file("some/where/on/disk", "config.json", remedy="do this")


def test_any_answer_counts_as_an_answer(monkeypatch):
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert _answers(f"http://127.0.0.1:{server.server_port}")
