"""Where a study is kept: an SQLite file with one writer, or a database that many hosts share."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError

from ferbench.errors import UserError
from ferbench.storage import writing

#: What Optuna and SQLAlchemy raise when a database does not answer.
AWAY = (StorageInternalError, sqlalchemy.exc.SQLAlchemyError)

#: Seconds that a connection, or a lock of another host, is waited for.
_PATIENCE = 30

#: The name of ferbench's locks among a PostgreSQL server's advisory locks.
_LOCKS = 0x66657262


def quiet_optuna() -> None:
    """Keep Optuna from logging every trial and from warning of what is experimental in it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="optuna")
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Storage:
    """A database that studies are kept in.

    Args:
        url: as SQLAlchemy has it, such as ``sqlite:////path/study.db`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        UserError: it cannot be opened: no driver, no server, no permission.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.shared = not url.startswith("sqlite")
        try:
            backend = self._connect()
        except (ImportError, sqlalchemy.exc.NoSuchModuleError, sqlalchemy.exc.ArgumentError) as error:
            raise UserError(
                f"the storage '{self.shown}' cannot be used: {_first_line(error)}",
                "install its driver (pip install 'ferbench[postgresql]'), or correct --storage",
            ) from error
        except (*AWAY, sqlite3.Error, RuntimeError) as error:
            cause = error.__cause__ or error
            raise UserError(
                f"the storage '{self.shown}' cannot be opened: {_first_line(cause)}",
                "start the database or correct --storage; without it a study is kept in the results directory",
            ) from error
        self.engine = backend.engine
        self.optuna = optuna.storages.get_storage(backend)

    @property
    def shown(self) -> str:
        """The url without its password."""
        return shown_url(self.url)

    def _connect(self) -> optuna.storages.RDBStorage:
        if not self.shared:
            backend = optuna.storages.RDBStorage(self.url, engine_kwargs={"connect_args": {"timeout": _PATIENCE}})
            # With a log that is written ahead, a reader never stops the writer, and a commit need not wait for the
            # disk: a power cut may take the last of them, never the file, and the run directories know them too.
            sqlalchemy.event.listen(backend.engine, "connect", _write_ahead)
            backend.engine.dispose()
            return backend
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": 600}
        if self._is_postgresql:
            keepalives = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
            limits = f"-c lock_timeout={_PATIENCE}s"
            options["connect_args"] = {"connect_timeout": 5, "options": limits, **keepalives}
        # Hosts that start together would each create the tables.
        engine = sqlalchemy.create_engine(self.url, **options)
        try:
            with self._locked(engine, "create"):
                return optuna.storages.RDBStorage(self.url, engine_kwargs=options)
        finally:
            engine.dispose()

    @property
    def _is_postgresql(self) -> bool:
        return self.url.startswith("postgresql")

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Only one host at a time is in this block, where the database can see to it (PostgreSQL)."""
        with self._locked(self.engine, name):
            yield

    @contextlib.contextmanager
    def _locked(self, engine: sqlalchemy.Engine, name: str) -> Iterator[None]:
        if not self._is_postgresql:
            yield
            return
        # Within a transaction: whatever ends it, a lost connection included, gives the lock back.
        with engine.connect() as connection, connection.begin():
            connection.execute(
                sqlalchemy.text("SELECT pg_advisory_xact_lock(:space, hashtext(:name))"),
                {"space": _LOCKS, "name": name},
            )
            yield

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Whether this host is the one that does something while it is in this block."""
        if not self._is_postgresql:
            yield True
            return
        with self.engine.connect() as connection, connection.begin():
            query = sqlalchemy.text("SELECT pg_try_advisory_xact_lock(:space, hashtext(:name))")
            yield bool(connection.execute(query, {"space": _LOCKS, "name": name}).scalar())

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def shown_url(url: str) -> str:
    """A database's url without its password."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url.rpartition("@")[2]


def sqlite_url(path: Path) -> str:
    """The url of an SQLite file, whose directory is made."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path.absolute()}"


def _write_ahead(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _first_line(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    return (str(original).strip().splitlines() or [type(original).__name__])[0]
