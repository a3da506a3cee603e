"""Where a study is kept: an SQLite file with one writer, or a PostgreSQL database that many hosts share."""

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

from ferbench.display import named_if_long
from ferbench.errors import UserError
from ferbench.runs.studies import RESTORE, database_damage
from ferbench.storage import may_write, writing

#: What Optuna and SQLAlchemy raise when a database does not answer.
AWAY = (StorageInternalError, sqlalchemy.exc.SQLAlchemyError)

#: What a server says that will say the same the next time.
_LASTING = ("does not exist", "authentication failed", "permission denied")

#: A database url, as messages show it.
_EXAMPLE = "postgresql+psycopg://USER:PASSWORD@HOST/NAME"

#: The only driver of PostgreSQL that is used.
_POSTGRESQL = "postgresql+psycopg"

#: Seconds that a connection, or a lock of another host, is waited for.
_PATIENCE = 30

#: Seconds that hosts which start together wait for each other: on a busy machine each takes a while.
_START_PATIENCE = 600

#: Seconds of waiting after which it is said what is waited for.
_MOMENT = 2.0

#: The name of ferbench's locks among a PostgreSQL server's advisory locks.
_LOCKS = 0x66657262


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
        url: as SQLAlchemy has it: ``sqlite:////path/study.db`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        UserError: it cannot be opened: another kind of database, no driver, no server, no permission.
    """

    @without_warnings()
    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        self._url = parsed
        self.shown = shown_url(url)
        self.shared = parsed.get_backend_name() != "sqlite"
        try:
            backend = self._connect()
        except ImportError as error:
            raise UserError(
                f"the storage '{self.shown}' cannot be used: {first_line(error)}",
                f"pip install 'ferbench[postgresql]', and give --storage {_EXAMPLE}",
            ) from error
        except (*AWAY, sqlite3.Error, RuntimeError) as error:
            cause = error.__cause__ or error
            remedy = "start the database or correct --storage; without it a study is kept in the results directory"
            if not self.shared:
                remedy = (
                    "check that file and its disk, which must have file locks, or name another: --results, --storage"
                )
            raise UserError(f"the storage '{self.shown}' cannot be opened: {first_line(cause)}", remedy) from error
        self.engine = backend.engine
        self.optuna = optuna.storages.get_storage(backend)

    def _connect(self) -> optuna.storages.RDBStorage:
        if not self.shared:
            backend = optuna.storages.RDBStorage(self._plain, engine_kwargs={"connect_args": {"timeout": _PATIENCE}})
            # With a log that is written ahead, a reader never stops the writer, and a commit need not wait for the
            # disk: a power cut may take the last of them, never the file, and the run directories know them too.
            sqlalchemy.event.listen(backend.engine, "connect", _write_ahead)
            if self._url.database:
                place = Path(self._url.database)
                sqlalchemy.event.listen(backend.engine, "commit", lambda _: may_write(place))
            backend.engine.dispose()
            return backend
        keepalives = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        limits = f"{self._url.query.get('options', '')} -c lock_timeout={_PATIENCE}s"
        options: dict[str, Any] = {
            "pool_pre_ping": True,
            "pool_recycle": 600,
            "connect_args": {"connect_timeout": 5, "options": limits, **keepalives},
        }
        engine = sqlalchemy.create_engine(self._url, **options)
        try:
            # Hosts that start together would each create the tables, of which this is the last.
            created = sqlalchemy.inspect(engine).has_table("alembic_version")
            with contextlib.nullcontext() if created else self._locked(engine, "create", _START_PATIENCE):
                return optuna.storages.RDBStorage(self._plain, engine_kwargs=options)
        finally:
            engine.dispose()

    @property
    def _plain(self) -> str:
        return self._url.render_as_string(hide_password=False)

    @contextlib.contextmanager
    def locked(self, name: str, *, starting: bool = False) -> Iterator[None]:
        """Only one host at a time is in this block; one that is ``starting`` waits for long."""
        with self._locked(self.engine, name, _START_PATIENCE if starting else _PATIENCE):
            yield

    @contextlib.contextmanager
    def _locked(self, engine: sqlalchemy.Engine, name: str, patience: int) -> Iterator[None]:
        if not self.shared:
            yield
            return
        # Within a transaction: whatever ends it, a lost connection included, gives the lock back.
        with engine.connect() as connection, connection.begin():
            if patience != _PATIENCE:
                connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = '{patience}s'"))
            waits = f"waiting for another host that is at work on the studies in {self.shown}, {patience} s at most"
            with named_if_long(waits, _MOMENT):
                connection.execute(
                    sqlalchemy.text("SELECT pg_advisory_xact_lock(:space, hashtext(:name))"),
                    {"space": _LOCKS, "name": name},
                )
            yield

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Whether this host is the one that does something while it is in this block."""
        if not self.shared:
            yield True
            return
        # Hours may pass: a transaction would be open all that time.
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            query = sqlalchemy.text("SELECT pg_try_advisory_lock(:space, hashtext(:name))")
            mine = bool(connection.execute(query, {"space": _LOCKS, "name": name}).scalar())
            try:
                yield mine
            finally:
                connection.invalidate()  # the lock ends with the connection, which may have been lost meanwhile

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _parsed(url: str) -> sqlalchemy.URL:
    """A url that names a kind of database which a study can be kept in.

    Raises:
        UserError: it does not.
    """
    parsed = _read(url)
    if parsed is None:
        raise UserError(
            f"the storage '{shown_url(url)}' is no database url",
            f"write it as {_EXAMPLE}, and in a password %40 for @, %3A for :, %2F for /",
        )
    if parsed.drivername == "postgresql":
        return parsed.set(drivername=_POSTGRESQL)
    if parsed.drivername not in ("sqlite", _POSTGRESQL):
        raise UserError(
            f"the storage '{shown_url(url)}' cannot be used: hosts share studies through PostgreSQL and psycopg alone",
            f"give --storage {_EXAMPLE}; without it a study is kept in the results directory",
        )
    return parsed


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
        UserError: it is no database url, or that of another kind of database than PostgreSQL.
    """
    if _parsed(url).get_backend_name() == "sqlite":
        raise UserError(
            f"--storage {shown_url(url)}: processes that share an SQLite file break each other's studies",
            "leave --storage out, which keeps the study in such a file; hosts share one through PostgreSQL",
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
    if of_file or isinstance(wrapped, sqlalchemy.exc.ProgrammingError) or any(word in cause for word in _LASTING):
        full = "free some space" if "full" in cause else "bring it back as it was, or begin a study with another --name"
        said = "the study is gone" if isinstance(error, KeyError) else cause
        raise UserError(
            f"the storage '{shown}' can no longer be used: {said}",
            f"{full}; the same command goes on with the study, and with the results that wait on disk",
        ) from error


def first_line(error: BaseException) -> str:
    """What went wrong in a database, without what its libraries wrap around it."""
    original = getattr(error, "orig", None) or error
    return (str(original).strip().splitlines() or [type(original).__name__])[0]
