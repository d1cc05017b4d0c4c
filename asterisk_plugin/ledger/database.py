"""The way to the database: engine, write lock, and foreign errors in our words."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa

from asterisk_plugin.errors import LedgerUnavailableError, StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

# SQLite's own waiting backs off to 100 ms, longer than a busy neighbour leaves the lock free.
_LOCK_POLL_S = 0.001
_CONNECT_TIMEOUT_S = 5
_LEAST_SPACE_BYTES = 64 * 1024
_CACHE_KIB = 16 * 1024


@dataclass(frozen=True, slots=True)
class Database:
    """An engine and how to speak of it.

    Args:
        engine: The engine; it has not connected yet.
        name: URL or path for messages, without password.
        path: The SQLite file, None with PostgreSQL.
        lock_wait_s: Longest wait for another process that writes.
    """

    engine: sa.Engine
    name: str
    path: Path | None
    lock_wait_s: float


def connect_database(url: str, *, create: bool, lock_wait_s: float, any_bytes: bool = False) -> Database:
    """Make the engine for a URL; a SQLite file is created when asked, nothing else is touched.

    Args:
        url: `sqlite:///path/to/file` or `postgresql+psycopg://user@host/name`.
        create: Create the SQLite file and its folder when they are missing.
        lock_wait_s: Longest wait for another process that writes, in seconds.
        any_bytes: Let text that is no UTF-8 pass (as surrogates) instead of failing: for verification.

    Raises:
        StartupError: The URL cannot be used, or the file is missing or cannot be created.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise StartupError("`ledger.url` is not a database URL, write `sqlite:///path` or `postgresql://…`") from exc
    name = parsed.render_as_string(hide_password=True)
    match parsed.get_backend_name():
        case "sqlite":
            path = _sqlite_file(parsed, name, create=create)
            engine = _sqlite_engine(path, lock_wait_s=lock_wait_s, any_bytes=any_bytes)
            return Database(engine, str(path), path, lock_wait_s)
        case "postgresql":
            return Database(_postgresql_engine(parsed, lock_wait_s=lock_wait_s), name, None, lock_wait_s)
        case other:
            raise StartupError(f"`ledger.url` names `{other}`, allowed are sqlite and postgresql")


def _sqlite_file(url: sa.URL, name: str, *, create: bool) -> Path:
    """The file of a SQLite URL, made when asked; readable by its owner only, since it holds personal data."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StartupError(f"ledger `{name}` names no file, evidence must outlive the process: write `sqlite:///path`")
    path = Path(url.database).absolute()
    try:
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        elif not path.exists():
            raise StartupError(f"there is no ledger `{path}`")
    except OSError as exc:
        raise StartupError(f"ledger `{path}` cannot be opened for writing: {exc.strerror}") from exc
    return path


def _sqlite_engine(path: Path, *, lock_wait_s: float, any_bytes: bool) -> sa.Engine:
    # mode=rw: a file that vanished while we run must be missed, not silently replaced by an empty one.
    uri = f"file:{quote(str(path))}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=lock_wait_s, isolation_level=None, check_same_thread=False)
        if any_bytes:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        # FULL: a commit is on disk before it returns; NORMAL loses the last ones with the power.
        connection.execute("PRAGMA synchronous=FULL")
        # A key that was deleted to erase a person must not be found in the free pages.
        connection.execute("PRAGMA secure_delete=ON")
        # Ids and tags are random, so each row touches pages all over the indexes: keep what lies above their leaves.
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool)


def _postgresql_engine(url: sa.URL, *, lock_wait_s: float) -> sa.Engine:
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    try:
        engine = sa.create_engine(
            url,
            pool_pre_ping=True,
            # A vanished server is noticed in seconds, not after the kernel's quarter of an hour.
            connect_args={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                "tcp_user_timeout": _CONNECT_TIMEOUT_S * 1000,
            },
        )
    except ImportError as exc:
        raise StartupError("`ledger.url` needs PostgreSQL's driver: pip install 'ringfence[postgresql]'") from exc

    def on_connect(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(f"SET lock_timeout = {int(lock_wait_s * 1000)}")
        connection.execute("SET synchronous_commit = on")
        connection.autocommit = False

    sa.event.listen(engine, "connect", on_connect)
    return engine


def begin_write(database: Database, connection: sa.Connection) -> None:
    """Begin a transaction that may write.

    SQLite: takes the write lock of the whole file at once, so that nothing read inside can be outdated.
    PostgreSQL: an ordinary transaction; the lock is the head row's.

    Raises:
        sqlite3.OperationalError: SQLite's lock was not free in time.
        sa.exc.SQLAlchemyError: The connection is gone.
    """
    if database.path is None:
        connection.begin()
        return
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + database.lock_wait_s
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                if not _is_locked(exc) or time.monotonic() >= deadline:
                    raise
                time.sleep(_LOCK_POLL_S)
            else:
                break
    finally:
        driver.execute(f"PRAGMA busy_timeout={int(database.lock_wait_s * 1000)}")
    connection.begin()


def file_identity(database: Database) -> tuple[int, int] | None:
    """Device and inode of the SQLite file, (0, 0) when it is gone; None with PostgreSQL."""
    if database.path is None:
        return None
    try:
        stat = database.path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_dev, stat.st_ino)


def driver_error(exc: BaseException) -> BaseException:
    """The database driver's own exception inside SQLAlchemy's, or the same."""
    return exc.orig if isinstance(exc, sa.exc.DBAPIError) and exc.orig is not None else exc


def sqlite_code(exc: BaseException) -> str:
    """SQLite's name of an error, `SQLITE_FULL`; empty when it is not SQLite's."""
    return getattr(driver_error(exc), "sqlite_errorname", "")


def _is_locked(exc: BaseException) -> bool:
    return sqlite_code(exc).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def plain(exc: BaseException) -> str:
    """A foreign error in one line."""
    text = " ".join(str(driver_error(exc)).split()) or type(exc).__name__
    # SQLite says only "disk I/O error" for a dozen different things.
    code = sqlite_code(exc)
    return f"{text} ({code})" if code.startswith("SQLITE_IOERR") else text


def describe(database: Database, exc: BaseException) -> str:
    """A foreign error in one line; says so when the disk is full, which SQLite does not always know."""
    text = plain(exc)
    if database.path is None or "full" in text:
        return text
    try:
        space = os.statvfs(database.path.parent)
    except OSError:
        return text
    # SQLite cannot even open its shared index with less.
    return f"{text}; the disk is full" if space.f_bavail * space.f_frsize < _LEAST_SPACE_BYTES else text


@contextmanager
def translated(database: Database) -> Iterator[None]:
    """Turn what the database says into LedgerUnavailableError."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as exc:
        raise LedgerUnavailableError(f"ledger `{database.name}` does not answer: {plain(exc)}") from exc


@contextmanager
def translated_at_start(database: Database) -> Iterator[None]:
    """Turn what the database says while it is opened into one clear line.

    Raises:
        LedgerUnavailableError: It may work later: locked, disk full, server away.
        StartupError: It will not work until somebody changes something.
    """
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as exc:
        name, code = database.name, sqlite_code(exc)
        if _is_locked(exc):
            raise LedgerUnavailableError(f"ledger `{name}` is locked by another process") from exc
        if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise LedgerUnavailableError(f"ledger `{name}` cannot be written: {describe(database, exc)}") from exc
        if code in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            raise StartupError(f"`{name}` is not a ledger: {plain(exc)}") from exc
        if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            hint = "the file and its folder must be writable"
            raise StartupError(f"ledger `{name}` cannot be written: {plain(exc)}; {hint}") from exc
        if isinstance(exc, sa.exc.OperationalError) and database.path is None:
            raise LedgerUnavailableError(f"ledger `{name}` cannot be reached: {plain(exc)}") from exc
        raise StartupError(f"ledger `{name}` cannot be used: {plain(exc)}") from exc
