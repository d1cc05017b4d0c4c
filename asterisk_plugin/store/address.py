"""Where the store is: reading its address.

| address                                      | what |
|---|---|
| `redis://[user:password@]host[:port][/db]`   | one server |
| `rediss://...?ssl_ca_certs=...`              | the same over TLS, with redis-py's `ssl_` options |
| `unix://[user:password@]/path/of.sock?db=n`  | one server on a Unix socket |
| `sentinel://[user:password@]h:p,h:p/name/db` | the master that Sentinel knows by that name; |
|                                              | `?sentinel_username=` and `?sentinel_password=` |
| `cluster://[user:password@]h:p,h:p`          | a Cluster, found through any of these nodes |
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio.connection import Connection, parse_url

from asterisk_plugin.errors import StartupError

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

SENTINEL_PORT = 26379
SERVER_PORT = 6379
_ALLOWED = "`redis://`, `rediss://`, `unix://`, `sentinel://` and `cluster://` are allowed"


class Kind(enum.Enum):
    """How the server that answers is found."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Address:
    """A store's address, read.

    Args:
        kind: How the server is found.
        shown: The address without its password, for messages.
        options: Arguments of redis-py's connection: host, port, path, db, username, password, ssl_*.
        connection_class: redis-py's class for one connection.
        nodes: (host, port) of the Sentinels or seed nodes.
        master: The name Sentinel knows the master by.
        sentinel_options: User name and password for the Sentinels themselves.
    """

    kind: Kind
    shown: str
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    connection_class: type[AbstractConnection] = Connection
    nodes: tuple[tuple[str, int], ...] = ()
    master: str = ""
    sentinel_options: dict[str, Any] = field(default_factory=dict, repr=False)


def masked(url: str) -> str:
    """The address without its password and without options."""
    # Up to the last `@`: a password that was not escaped may hold any character.
    return re.sub(r"//.*@", "//***@", url).partition("?")[0]


def parse_address(url: str) -> Address:
    """Read a store's address.

    Raises:
        StartupError: It cannot be read; the message does not repeat the password.
    """
    scheme = url.partition("://")[0]
    try:
        if scheme in {"redis", "rediss", "unix"}:
            return _server(url)
        if scheme == "sentinel":
            return _sentinel(url)
        if scheme == "cluster":
            return _cluster(url)
    except ValueError as exc:
        raise StartupError(f"the store's address `{masked(url)}` cannot be read: {exc}") from exc
    raise StartupError(f"the store's address `{masked(url)}` has an unknown beginning: {_ALLOWED}")


def _server(url: str) -> Address:
    options = cast("dict[str, Any]", dict(parse_url(url)))
    connection_class = options.pop("connection_class", Connection)
    if url.startswith("unix:") and not options.get("path"):
        raise ValueError("the path of the socket is missing")
    return Address(Kind.SERVER, masked(url), options, connection_class)


def _sentinel(url: str) -> Address:
    parts = urlsplit(url)
    master, _, db = parts.path.strip("/").partition("/")
    if not master:
        raise ValueError("the master's name is missing; `sentinel://host:port,host:port/master/db` is allowed")
    if db and not db.isdecimal():
        raise ValueError(f"`{db}` is no database number")
    query = dict(parse_qsl(parts.query))
    unknown = query.keys() - {"sentinel_username", "sentinel_password"}
    if unknown:
        raise ValueError(f"option `{min(unknown)}` is not known for sentinel://")
    return Address(
        Kind.SENTINEL,
        masked(url),
        {**_credentials(parts.netloc), "db": int(db or 0)},
        nodes=_nodes(parts.netloc, SENTINEL_PORT),
        master=unquote(master),
        sentinel_options={name.removeprefix("sentinel_"): value for name, value in query.items()},
    )


def _cluster(url: str) -> Address:
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query:
        raise ValueError("a Cluster has no database number and takes no options")
    return Address(Kind.CLUSTER, masked(url), _credentials(parts.netloc), nodes=_nodes(parts.netloc, SERVER_PORT))


def _credentials(netloc: str) -> dict[str, Any]:
    before, at, _ = netloc.rpartition("@")
    if not at:
        return {}
    user, _, password = before.partition(":")
    named = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in named.items() if value}


def _nodes(netloc: str, default_port: int) -> tuple[tuple[str, int], ...]:
    nodes = []
    for text in netloc.rpartition("@")[2].split(","):
        node = urlsplit(f"//{text}")
        if not node.hostname:
            raise ValueError(f"`{text}` is no host and port")
        nodes.append((node.hostname, node.port or default_port))
    return tuple(nodes)
