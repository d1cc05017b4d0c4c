"""What commands open: the secret, the ledger, and the store of the running service."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asterisk_plugin.core.person import person_tag
from asterisk_plugin.errors import InputError, StartupError, StoreError
from asterisk_plugin.settings.data_dir import DataDir

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asterisk_plugin.ledger import SqlLedger
    from asterisk_plugin.ports import Event
    from asterisk_plugin.settings.load import Loaded
    from asterisk_plugin.store.redis_store import RedisStore

STORE_TIMEOUT_S = 2.0
"""Longest wait of a command for one answer; a person waits more patiently than a call."""

IN_FORCE_S = 5.0
"""Longest wait until the store has what was recorded; what is recorded stays so in any case."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What is needed to find and write a person's records.

    Args:
        secret: Key of the person tags.
        ledger_url: SQLAlchemy URL of the ledger.
    """

    secret: bytes
    ledger_url: str

    def tag(self, e164: str) -> str:
        """The person tag of a number."""
        return person_tag(self.secret, e164)


def keys_to_write(loaded: Loaded) -> Keys:
    """The keys of this site; data directory and secret are made on first use.

    Raises:
        StartupError: They cannot be made or read.
    """
    directory = DataDir(loaded.data_dir)
    directory.prepare()
    settings = loaded.service.ledger
    return Keys(directory.secret(settings.secret_file), settings.url or directory.ledger_url)


def keys_to_read(loaded: Loaded) -> Keys | None:
    """The keys of this site; None when nothing was ever recorded here. Makes nothing.

    Raises:
        StartupError: The secret cannot be read.
    """
    directory = DataDir(loaded.data_dir)
    settings = loaded.service.ledger
    file = settings.secret_file or directory.path / "secret"
    if settings.secret_file is None and not file.exists():
        return None
    return Keys(directory.secret(file), settings.url or directory.ledger_url)


def keys_of_records(loaded: Loaded) -> Keys:
    """The keys of a site that has records.

    Raises:
        InputError: Nothing was ever recorded here.
    """
    keys = keys_to_read(loaded)
    if keys is None:
        raise InputError(
            f"nothing was ever recorded in `{loaded.data_dir}`; --data-dir or --config names another place"
        )
    return keys


@contextlib.asynccontextmanager
async def ledger_of(keys: Keys, *, create: bool) -> AsyncIterator[SqlLedger]:
    """The ledger, started; closed at the end.

    Raises:
        StartupError: It cannot be opened.
        LedgerUnavailableError: It cannot be opened now.
    """
    from asterisk_plugin.ledger import open_ledger

    ledger = open_ledger(keys.ledger_url, secret=keys.secret, create=create)
    await ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()


@contextlib.asynccontextmanager
async def store_of(loaded: Loaded) -> AsyncIterator[RedisStore]:
    """The store that the service of this site uses; closed at the end.

    The embedded one is used as long as it answers, also while its service is away: it outlives a killed service.

    Raises:
        StoreError: It does not answer, or no service ever ran here.
        StartupError: It can never be used.
    """
    from asterisk_plugin.core.campaign_rates import home_zone
    from asterisk_plugin.core.engine import longest_window_s
    from asterisk_plugin.store.redis_store import RedisStore

    url = loaded.service.store.url or last_store_url(loaded)
    if not url:
        raise StoreError(f"no service runs on data directory `{loaded.data_dir}`")
    store = RedisStore(
        url,
        timeout_s=STORE_TIMEOUT_S,
        keep_attempts_s=longest_window_s(loaded.site),
        zone=home_zone(loaded.site.home_country),
    )
    try:
        await store.connect()
        yield store
    finally:
        await store.close()


def last_store_url(loaded: Loaded) -> str:
    """Where the embedded store of the running or last service listens; empty when none ever ran."""
    return str(DataDir(loaded.data_dir).read_run().get("store_url", ""))


def hold_until_in_force(loaded: Loaded, keys: Keys, objection: Event) -> None:
    """Let a running service dial nobody until its store knows of an objection that is in the ledger.

    A store that comes back has the image of a moment before it.

    Raises:
        LedgerUnavailableError: The spool cannot be written.
    """
    from asterisk_plugin.ledger.objection_spool import ObjectionSpool

    directory = DataDir(loaded.data_dir)
    if directory.is_running():
        ObjectionSpool(directory.spool, secret=keys.secret).add(objection)


async def put_in_force(loaded: Loaded, ledger: SqlLedger, *, objection: tuple[Event, int] | None = None) -> str:
    """Bring the store up to the ledger's newest row, so that the next decision knows of it.

    Args:
        loaded: The configuration.
        ledger: Started.
        objection: One that was just recorded, and its row: it is written before everything else and announced,
            so that every service ends what is ringing that person now.

    Returns:
        Empty when that is done, else why it could not be: a service makes up for it as soon as both are there.
    """
    from asterisk_plugin.callflow.projector import Projector
    from asterisk_plugin.store.objections import ObjectionStore

    try:
        async with asyncio.timeout(IN_FORCE_S), store_of(loaded) as store:
            if objection is not None:
                await ObjectionStore(store.client, identify=ledger.identity).put(*objection)
            if not (await store.projection.state()).complete:
                return "the store is not filled yet"  # a service fills it; a command might be stopped half-way
            projector = Projector(ledger, store.projection, identify=ledger.identity)
            await projector.catch_up(may_rebuild=False)
    except TimeoutError:
        return f"the store did not take it within {IN_FORCE_S:g} s"
    except (StoreError, StartupError) as exc:
        return str(exc)
    return ""
