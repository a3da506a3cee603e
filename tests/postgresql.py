"""A PostgreSQL server of a test's own: private port, private data directory, an ordinary user."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

PASSWORD = "not-to-be-shown"

#: Nothing need survive a crash of the machine; what is committed survives one of the server.
_CARELESS = ("fsync=off", "full_page_writes=off")


def programs() -> Path | None:
    """The directory of ``postgres`` and ``initdb``; Debian keeps them off PATH."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return next((path for path in places if all((path / name).is_file() for name in ("initdb", "postgres"))), None)


def lacking() -> str | None:
    """Why there can be no server here; None when there can."""
    if programs() is None:
        return "no PostgreSQL server: apt-get install postgresql"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no driver for PostgreSQL: pip install 'ferbench[postgresql]'"
    return None


class Server:
    """A server that is started at once. `stop` and `start` leave its data; `close` ends it all."""

    def __init__(self) -> None:
        where = programs()
        assert where is not None, lacking()
        self._programs = where
        self._directory = Path(tempfile.mkdtemp(prefix="ferbench-postgresql-"))
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._as_whom: dict[str, Any] = {"cwd": self._directory}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            user = ordinary_user("postgres")
            os.chown(self._directory, user.pw_uid, user.pw_gid)
            self._as_whom |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        secret = self._directory / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        options = ["--auth=scram-sha-256", "--username=ferbench", f"--pwfile={secret}", "--no-sync", "--locale=C"]
        command = [self._programs / "initdb", "-D", self._directory / "data", "--encoding=UTF8", *options]
        subprocess.run(command, check=True, capture_output=True, **self._as_whom)
        self.port = free_port()
        self.start()

    def start(self) -> None:
        """Start it on its data, and wait until it answers."""
        settings = [
            *_CARELESS,
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self._directory}",
            "max_connections=200",
        ]
        command = [self._programs / "postgres", "-D", self._directory / "data"]
        command += [part for setting in settings for part in ("-c", setting)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self._as_whom
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {(self._directory / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self, *, at_once: bool = False) -> None:
        """End it; ``at_once`` as a crash would, else clients are turned away first."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(timeout=60)
            self._process = None

    def new_database(self) -> str:
        """The url of a database that is empty."""
        name = f"studies_{next(self._numbers)}"
        with self._connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://ferbench:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        """End it, and remove its data."""
        with contextlib.suppress(ProcessLookupError):
            self.stop(at_once=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _connected(self, name: str) -> Any:
        import psycopg

        about = {"host": "127.0.0.1", "port": self.port, "user": "ferbench", "password": PASSWORD, "dbname": name}
        return psycopg.connect(**about, autocommit=True, connect_timeout=5)

    def _answers(self) -> bool:
        import psycopg

        try:
            with self._connected("postgres"):
                return True
        except psycopg.OperationalError:
            return False


def ordinary_user(name: str) -> pwd.struct_passwd:
    """The user of that name, else one that is not root."""
    for known in (name, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(known)
    return next(user for user in pwd.getpwall() if user.pw_uid != 0)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
