"""Where a study is kept: an SQLite file with one writer, or a PostgreSQL or MySQL database that many hosts share."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError

from ferbench.display import named_if_long
from ferbench.errors import UserError
from ferbench.runs.studies import RESTORE, database_damage
from ferbench.storage import may_write, writing

#: What Optuna and SQLAlchemy raise when a database does not answer.
AWAY = (StorageInternalError, sqlalchemy.exc.SQLAlchemyError)

#: What a server says that will say the same the next time.
_LASTING = ("does not exist", "authentication failed", "permission denied", "Access denied", "Unknown database")

#: What SQLAlchemy raises of a statement that a server will refuse again.
_REFUSED = (sqlalchemy.exc.ProgrammingError, sqlalchemy.exc.DataError)

#: Seconds that a connection, or a lock of another host, is waited for.
_PATIENCE = 30

#: Seconds that hosts which start together wait for each other: on a busy machine each takes a while.
_START_PATIENCE = 600

#: Seconds of waiting after which it is said what is waited for.
_MOMENT = 2.0

#: The name of ferbench's locks among a PostgreSQL server's advisory locks.
_LOCKS = 0x66657262


@dataclass(frozen=True)
class _Server:
    """A kind of database that hosts share studies through.

    Attributes:
        driver: SQLAlchemy's name of it, and of the only driver that is used.
        extra: of ferbench's distribution, that installs the driver.
        connect: arguments of a connection. Times are those of UTC, since heartbeats are compared by the server's clock,
            which summer time would shift. A connection that keeps a lock may have nothing else to say for days.
        lock, unlock: take a lock of that ``name`` unless another connection has it, and give it back.
    """

    driver: str
    extra: str
    connect: Mapping[str, Any]
    lock: str
    unlock: str

    @property
    def example(self) -> str:
        return f"{self.driver}://USER:PASSWORD@HOST/NAME"


_POSTGRESQL = _Server(
    "postgresql+psycopg",
    "postgresql",
    {
        **{"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3},
        "options": f"-c lock_timeout={_PATIENCE}s -c timezone=UTC",
    },
    f"SELECT pg_try_advisory_lock({_LOCKS}, hashtext(:name))",
    f"SELECT pg_advisory_unlock({_LOCKS}, hashtext(:name))",
)
_MYSQL = _Server(
    "mysql+pymysql",
    "mysql",
    {
        "connect_timeout": 5,
        "read_timeout": 2 * _PATIENCE,
        "init_command": f"SET time_zone = '+00:00', wait_timeout = {7 * 86400}",
    },
    "SELECT GET_LOCK(SHA1(CONCAT('ferbench ', DATABASE(), ' ', :name)), 0)",  # as long as names of locks may be
    "SELECT RELEASE_LOCK(SHA1(CONCAT('ferbench ', DATABASE(), ' ', :name)))",
)

#: By how urls begin.
_SERVERS = {
    **dict.fromkeys(("postgresql", _POSTGRESQL.driver), _POSTGRESQL),
    **dict.fromkeys(("mysql", "mariadb", "mariadb+pymysql", _MYSQL.driver), _MYSQL),
}


def quiet_optuna() -> None:
    """Keep Optuna from logging every trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """What Optuna would warn of in this block is our choice: experimental parts, samplers that draw at random at first.

    It warns in the name of whoever called it, so that no filter can tell its warnings from ours.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Storage:
    """A database that studies are kept in.

    Args:
        url: as SQLAlchemy has it: ``sqlite:////path/study.db``, ``postgresql+psycopg://user@host/name`` or
            ``mysql+pymysql://user@host/name``.
        grace: seconds without a heartbeat after which a trial of another host is stale.

    Attributes:
        shown: the url, as messages show it.
        grace: as given.
        shared: by hosts.
        optuna: as Optuna has it.

    Raises:
        UserError: it cannot be opened: another kind of database, no driver, no server, no permission.
    """

    @without_warnings()
    def __init__(self, url: str, grace: float = 60.0) -> None:
        parsed, self._server = _parsed(url)
        self.shown, self.grace = shown_url(url), grace
        self.shared = self._server is not None
        try:
            self.optuna = self._open(parsed)
        except ImportError as error:
            assert self._server is not None
            raise UserError(
                f"the storage '{self.shown}' cannot be used: {first_line(error)}",
                f"pip install 'ferbench[{self._server.extra}]', and give --storage {self._server.example}",
            ) from error
        except (*AWAY, sqlite3.Error, RuntimeError, TypeError) as error:  # TypeError: an option that a driver lacks
            cause = error.__cause__ or error
            remedy = "start the database or correct --storage; without it a study is kept in the results directory"
            if not self.shared:
                remedy = (
                    "check that file and its disk, which must have file locks, or name another: --results, --storage"
                )
            raise UserError(f"the storage '{self.shown}' cannot be opened: {first_line(cause)}", remedy) from error
        self.engine = self.optuna.engine

    def _open(self, url: sqlalchemy.URL) -> optuna.storages.RDBStorage:
        plain = url.render_as_string(hide_password=False)
        if self._server is None:
            backend = optuna.storages.RDBStorage(plain, engine_kwargs={"connect_args": {"timeout": _PATIENCE}})
            # With a log that is written ahead, a reader never stops the writer, and a commit need not wait for the
            # disk: a power cut may take the last of them, never the file, and the run directories know them too.
            sqlalchemy.event.listen(backend.engine, "connect", _write_ahead)
            if url.database:
                place = Path(url.database)
                sqlalchemy.event.listen(backend.engine, "commit", lambda _: may_write(place))
            backend.engine.dispose()
            return backend
        connect = dict(self._server.connect)
        if "options" in connect:
            connect["options"] = f"{url.query.get('options', '')} {connect['options']}"
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": 600, "connect_args": connect}
        self.engine = sqlalchemy.create_engine(url, **options)
        try:
            # Hosts that start together would each create the tables, of which this is the last.
            created = sqlalchemy.inspect(self.engine).has_table("alembic_version")
            with contextlib.nullcontext() if created else self.locked("create", starting=True):
                return optuna.storages.RDBStorage(
                    plain,
                    engine_kwargs=options,
                    heartbeat_interval=math.ceil(self.grace / 4),  # that they are recorded at all; when, we see to
                    grace_period=math.ceil(self.grace),
                )
        finally:
            self.engine.dispose()

    @contextlib.contextmanager
    def locked(self, name: str, *, starting: bool = False) -> Iterator[None]:
        """Only one host at a time is in this block; one that is ``starting`` waits for long.

        Raises:
            StorageInternalError: another host has been in it for too long.
        """
        with self.claimed(name, _START_PATIENCE if starting else _PATIENCE) as mine:
            if not mine:
                raise StorageInternalError("another host keeps it locked")
            yield

    @contextlib.contextmanager
    def claimed(self, name: str, patience: float = 0.0) -> Iterator[bool]:
        """Whether this host is the one in this block, for which it waits that many seconds at most."""
        if self._server is None:
            yield True
            return
        about = {"name": name}
        end = time.monotonic() + patience
        # Hours may pass: a transaction would be open all that time. The lock ends with the connection at the latest.
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            take = sqlalchemy.text(self._server.lock)
            waits = f"waiting for another host that is at work on the studies in {self.shown}, {patience:g} s at most"
            with named_if_long(waits, _MOMENT):
                while not (mine := bool(connection.execute(take, about).scalar())) and time.monotonic() < end:
                    time.sleep(random.uniform(0.01, 0.05))
            try:
                yield mine
            finally:
                try:
                    connection.execute(sqlalchemy.text(self._server.unlock), about)
                except sqlalchemy.exc.SQLAlchemyError:  # it was lost meanwhile, and the lock with it
                    connection.invalidate()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _parsed(url: str) -> tuple[sqlalchemy.URL, _Server | None]:
    """A url that names a kind of database which a study can be kept in, and its server; None: an SQLite file.

    Raises:
        UserError: it does not.
    """
    parsed = _read(url)
    if parsed is None:
        raise UserError(
            f"the storage '{shown_url(url)}' is no database url",
            f"write it as {_POSTGRESQL.example}, and in a password %40 for @, %3A for :, %2F for /",
        )
    if parsed.drivername == "sqlite":
        return parsed, None
    server = _SERVERS.get(parsed.drivername)
    if server is None:
        raise UserError(
            f"the storage '{shown_url(url)}' cannot be used: hosts share studies through PostgreSQL with psycopg, or "
            "MySQL with PyMySQL",
            f"give --storage {_POSTGRESQL.example} or {_MYSQL.example}; without it a study is kept in the results "
            "directory",
        )
    return parsed.set(drivername=server.driver), server


def _read(url: str) -> sqlalchemy.URL | None:
    """What a url says; None when it is none, or when a part of its password would be taken for something else."""
    try:
        return None if url.count("@") > 1 else sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: what stands for a port is no number
        return None


def shown_url(url: str) -> str:
    """A database's url without its password, wherever in the url that stands."""
    parsed = _read(url)
    if parsed is None:
        scheme, there, _ = url.partition("://")
        return f"{scheme}://…" if there else "…"  # whatever is wrong with it may be in the password
    secret = {key: "hidden" for key in parsed.query if "password" in key}
    return parsed.update_query_dict(secret).render_as_string(hide_password=True)


def check_shared(url: str) -> None:
    """Refuse what hosts cannot share a study through, before anything is asked of it.

    Raises:
        UserError: it is no database url, or that of another kind of database than PostgreSQL and MySQL.
    """
    if _parsed(url)[1] is None:
        raise UserError(
            f"--storage {shown_url(url)}: processes that share an SQLite file break each other's studies",
            "leave --storage out, which keeps the study in such a file; hosts share one through PostgreSQL or MySQL",
        )


def sqlite_url(path: Path) -> str:
    """The url of an SQLite file, whose directory is made.

    Raises:
        UserError: something else lies in its place, on which SQLite would wait, or which it would follow elsewhere.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    damage = database_damage(path)
    if damage:
        raise UserError(f"{path} is damaged: {damage}", RESTORE)
    return f"sqlite:///{path.absolute()}"


def _write_ahead(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def cause_of(error: BaseException) -> str:
    """What went wrong in a database, of what Optuna raises where it did."""
    return first_line(error.__cause__ or error)


def refuse_lasting(error: BaseException, shown: str) -> None:
    """Do not wait for what does not mend itself: a full disk, a file or tables that are gone, rights that are taken.

    Args:
        error: one of `AWAY`, or the `KeyError` that Optuna raises of what is not there.
        shown: the database, as messages show it.

    Raises:
        UserError: it is such an error.
        KeyError: as given, where Optuna did not raise it.
    """
    if isinstance(error, KeyError) and "does not exist" not in str(error):
        raise error
    cause, wrapped = cause_of(error), error.__cause__ or error
    original = getattr(wrapped, "orig", None)
    of_file = isinstance(original, sqlite3.Error) and not any(word in cause for word in ("locked", "busy"))
    if of_file or isinstance(wrapped, _REFUSED) or any(word in cause for word in _LASTING):
        full = "free some space" if "full" in cause else "bring it back as it was, or begin a study with another --name"
        said = "the study is gone" if isinstance(error, KeyError) else cause
        raise UserError(
            f"the storage '{shown}' can no longer be used: {said}",
            f"{full}; the same command goes on with the study, and with the runs of its trials",
        ) from error


def first_line(error: BaseException) -> str:
    """What went wrong in a database, without what its libraries wrap around it."""
    original = getattr(error, "orig", None) or error
    return (str(original).strip().splitlines() or [type(original).__name__])[0]
