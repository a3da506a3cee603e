"""Messages between a process and one that it started: one JSON object a line over a socket pair."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

Message = dict[str, Any]


class Link:
    """One end of the line.

    Args:
        end: of the socket pair, blocking.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = b""
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Message) -> bool:
        """False when the other end is gone."""
        try:
            with self._sending:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return False
        return True

    def receive(self) -> tuple[list[Message], bool]:
        """Wait for what comes next: the messages that are whole, and whether the other end is still there."""
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines], bool(data)

    def close(self) -> None:
        self._socket.close()
