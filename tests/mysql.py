"""A MariaDB server of a test's own: private port, private data directory, an ordinary user."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from postgresql import PASSWORD, free_port, ordinary_user


def lacking() -> str | None:
    """Why there can be no server here; None when there can."""
    if _program("mariadbd") is None or _program("mariadb-install-db") is None:
        return "no MariaDB server: apt-get install mariadb-server"
    try:
        import pymysql  # noqa: F401
    except ImportError:
        return "no driver for MySQL: pip install 'ferbench[mysql]'"
    return None


class Server:
    """A server that is started at once. `stop` and `start` leave its data; `close` ends it all."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="ferbench-mysql-"))
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._as_whom: dict[str, Any] = {"cwd": self._directory}
        if os.geteuid() == 0:  # which MariaDB refuses to run as
            user = ordinary_user("mysql")
            os.chown(self._directory, user.pw_uid, user.pw_gid)
            self._as_whom |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._data = f"--datadir={self._directory / 'data'}"
        command = [_program("mariadb-install-db"), "--no-defaults", self._data, "--skip-test-db"]
        subprocess.run(
            [*command, "--auth-root-authentication-method=normal"], check=True, capture_output=True, **self._as_whom
        )
        (self._directory / "users.sql").write_text(
            f"GRANT ALL ON *.* TO ferbench@'127.0.0.1' IDENTIFIED BY '{PASSWORD}' WITH GRANT OPTION;\n"
        )
        self.port = free_port()
        self.start()

    def start(self) -> None:
        """Start it on its data, and wait until it answers."""
        settings = {
            "bind-address": "127.0.0.1",
            "port": self.port,
            "socket": self._directory / "socket",
            "pid-file": self._directory / "pid",
            "init-file": self._directory / "users.sql",
            "innodb-flush-log-at-trx-commit": 2,  # nothing need survive a crash of the machine
            "innodb-buffer-pool-size": "32M",
        }
        command = [_program("mariadbd"), "--no-defaults", self._data, "--skip-name-resolve"]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self._as_whom
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MariaDB does not start: {(self._directory / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self, *, at_once: bool = False) -> None:
        """End it; ``at_once`` as a crash would, else in good order."""
        if self._process is not None:
            (self._process.kill if at_once else self._process.terminate)()
            self._process.wait(timeout=60)
            self._process = None

    def new_database(self) -> str:
        """The url of a database that is empty."""
        name = f"studies_{next(self._numbers)}"
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return f"mysql+pymysql://ferbench:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        """End it, and remove its data."""
        self.stop(at_once=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _connected(self) -> Any:
        import pymysql

        return pymysql.connect(host="127.0.0.1", port=self.port, user="ferbench", password=PASSWORD)

    def _answers(self) -> bool:
        import pymysql

        with contextlib.suppress(pymysql.err.OperationalError), self._connected():
            return True
        return False


def _program(name: str) -> str | None:
    """Debian keeps the server off PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
