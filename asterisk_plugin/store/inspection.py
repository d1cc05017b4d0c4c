"""Can this server be used, and is it set up so that records stay?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.errors import StartupError, StoreError
from asterisk_plugin.store import keys

if TYPE_CHECKING:
    from asterisk_plugin.store.client import StoreClient

OLDEST_VERSION = (6, 2)

_KEEPS_EVERYTHING = "noeviction"


async def check_usable(client: StoreClient) -> None:
    """Refuse a server that cannot serve.

    Raises:
        StartupError: Older than Redis 6.2, a Cluster node under a single server's address, or a
            server that throws away keys without a lifetime when its memory is full: a lost
            objection would look like none.
        StoreError: It cannot be asked.
    """
    where = client.address.shown
    for info in await _infos(client):
        version = info.get("redis_version", "")
        if not _is_new_enough(version):
            raise StartupError(
                f"the store at `{where}` is version `{version}`; Redis 6.2 or later, or Valkey, is needed"
            )
        if info.get("cluster_enabled") == "1" and not client.is_cluster:
            raise StartupError(f"the store at `{where}` is a Cluster node; give the address as `cluster://host:port`")
        if info.get("role") == "slave" and not client.is_cluster:
            raise StartupError(f"the store at `{where}` is a replica; the address of its master is needed")
        if _evicts_all(info):
            raise StartupError(_evicting(where, info))


async def why_unusable(client: StoreClient) -> str:
    """Why a running server must not be relied on any more, one sentence; empty when it may.

    It throws away, or has thrown away since it was last filled, what a decision needs.

    Raises:
        StoreError: It cannot be asked.
    """
    infos = await _infos(client)
    for info in infos:
        if _evicts_all(info):
            return _evicting(client.address.shown, info)
    known = _text(await client.execute("HGET", keys.POSITION, "evicted"))
    lost = _lost_since(known, infos)
    return _lost(lost) if lost else ""


async def evictions(client: StoreClient) -> str:
    """How many keys each server has thrown away since its start: `run id=count`, with spaces between.

    Raises:
        StoreError: It cannot be asked.
    """
    return " ".join(f"{run_id}={count}" for run_id, count in _evicted(await _infos(client)).items())


async def servers(client: StoreClient) -> frozenset[str]:
    """What names each server from its start to its end.

    Raises:
        StoreError: It cannot be asked.
    """
    return frozenset(info.get("run_id", "") for info in await _infos(client))


async def has_unknown_server(client: StoreClient) -> bool:
    """Whether a server takes part that was not there, or not in this life, when the store was filled.

    Raises:
        StoreError: It cannot be asked.
    """
    known = _text(await client.execute("HGET", keys.POSITION, "evicted"))
    return not await servers(client) <= {part.partition("=")[0] for part in known.split()}


async def projected_seq(client: StoreClient) -> int:
    """How far the ledger is projected, 0 when that is not known.

    Raises:
        StoreError: It cannot be asked.
    """
    seq = _text(await client.execute("HGET", keys.POSITION, "seq"))
    return int(seq) if seq.isdecimal() else 0


async def inspect(client: StoreClient) -> list[str]:
    """What an admin should know about the store's settings, one sentence each; empty when all is well.

    Raises:
        StoreError: It cannot be asked.
    """
    findings = []
    try:
        await check_usable(client)
    except StartupError as exc:
        findings.append(str(exc))
    infos = await _infos(client)
    for info in infos:
        policy = info.get("maxmemory_policy", _KEEPS_EVERYTHING)
        if policy.startswith("volatile-") and info.get("maxmemory", "0") != "0":
            findings.append(
                f"the store forgets attempts when its memory is full (maxmemory-policy `{policy}`), "
                f"so attempt limits may be missed; `{_KEEPS_EVERYTHING}` is right"
            )
        findings += _about_persistence(info)
    if lost := _lost_since(_text(await client.execute("HGET", keys.POSITION, "evicted")), infos):
        findings.append(_lost(lost))
    return findings


def _evicts_all(info: dict[str, str]) -> bool:
    policy = info.get("maxmemory_policy", _KEEPS_EVERYTHING)
    return policy.startswith("allkeys-") and info.get("maxmemory", "0") != "0"


def _evicting(where: str, info: dict[str, str]) -> str:
    return (
        f"the store at `{where}` throws any key away when its memory is full "
        f"(maxmemory-policy `{info['maxmemory_policy']}`), objections too; `{_KEEPS_EVERYTHING}` is needed"
    )


def _lost(number: int) -> str:
    return (
        f"the store throws records away: it has lost {number} keys for lack of memory since it was filled; "
        "give it more and run `ringfence rebuild`"
    )


def _evicted(infos: list[dict[str, str]]) -> dict[str, int]:
    return {info.get("run_id", ""): int(info.get("evicted_keys", "0")) for info in infos}


def _lost_since(known: str, infos: list[dict[str, str]]) -> int:
    """Keys thrown away since `known` was written; a restarted server counts from nothing."""
    before = dict(part.split("=", 1) for part in known.split() if "=" in part)
    return sum(max(0, count - int(before.get(run_id, 0))) for run_id, count in _evicted(infos).items())


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode("ascii", "replace")


def _about_persistence(info: dict[str, str]) -> list[str]:
    if info.get("aof_enabled") == "1":
        if info.get("aof_last_write_status", "ok") != "ok":
            return ["the store cannot write its append-only file; is its disk full?"]
        return []
    # After a start from nothing no call is allowed until the ledger has been projected again.
    return [
        "the store keeps no append-only file, so after a restart no call is allowed "
        "until it is filled from the ledger again; `appendonly yes` is right"
    ]


async def _infos(client: StoreClient) -> list[dict[str, str]]:
    replies = await client.everywhere("INFO")
    if not replies:
        raise StoreError("no node of the store can be asked about itself")
    return [_info(reply) for reply in replies]


def _info(reply: object) -> dict[str, str]:
    if isinstance(reply, dict):
        # redis-py reads INFO itself when it is sent through its Cluster client.
        return {str(name): str(value) for name, value in reply.items()}
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in pairs}


def _is_new_enough(version: str) -> bool:
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    return parts >= OLDEST_VERSION
