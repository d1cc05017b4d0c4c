"""Can this server be used, and is it set up so that records stay?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.errors import StartupError, StoreError

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
        policy = info.get("maxmemory_policy", _KEEPS_EVERYTHING)
        if policy.startswith("allkeys-") and info.get("maxmemory", "0") != "0":
            raise StartupError(
                f"the store at `{where}` throws any key away when its memory is full "
                f"(maxmemory-policy `{policy}`), objections too; `{_KEEPS_EVERYTHING}` is needed"
            )


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
    for info in await _infos(client):
        policy = info.get("maxmemory_policy", _KEEPS_EVERYTHING)
        if policy.startswith("volatile-") and info.get("maxmemory", "0") != "0":
            findings.append(
                f"the store forgets attempts when its memory is full (maxmemory-policy `{policy}`), "
                f"so attempt limits may be missed; `{_KEEPS_EVERYTHING}` is right"
            )
        if info.get("evicted_keys", "0") != "0":
            findings.append(
                f"the store has thrown away {info['evicted_keys']} keys for lack of memory; "
                "run `ringfence rebuild` and give it more"
            )
        findings += _about_persistence(info)
    return findings


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
