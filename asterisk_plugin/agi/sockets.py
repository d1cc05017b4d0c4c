"""The listening socket of the FastAGI server, and what the kernel is told about it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import resource
import socket
from typing import TYPE_CHECKING

from asterisk_plugin.errors import StartupError
from asterisk_plugin.settings.service import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asterisk_plugin.settings.service import AgiSettings

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Connections the kernel keeps for us while we are busy: the most that Linux allows since 5.4
(`net.core.somaxconn`), twice the burst of 2,000 that must pass."""

LOOK_UP_PAUSE_S = 10.0
"""Least time between two looks for the addresses of names."""

MOST_REMEMBERED = 1000
"""Addresses that were found to be allowed, and need not be compared with every network again."""

SPARE_FILES = 512
"""Open files besides the connections: Redis, SQLite, AMI, HTTP, logs."""

# A peer whose machine vanished is noticed after 30 + 3 * 10 s, unacknowledged data after 30 s.
_TCP_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    # A command is smaller than a segment; waiting to fill one would cost a delayed ACK, 40 ms.
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


def listen(settings: AgiSettings) -> socket.socket:
    """A listening socket on the configured address, to start a server with.

    Args:
        settings: `host` and `port`; port 0 takes a free one.

    Raises:
        StartupError: The address is taken, or is none of this machine.
    """
    sock: socket.socket | None = None
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        # Now, not when serving starts: of two services, the second must fail here.
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as exc:
        if sock is not None:
            sock.close()
        raise StartupError(
            f"FastAGI cannot listen on `{settings.host}:{settings.port}` "
            f"(agi.host, agi.port): {(exc.strerror or str(exc)).lower()}"
        ) from exc
    return sock


def prepare(sock: socket.socket, *, connections: int) -> None:
    """Give a listening socket what its connections need, and the process room for them.

    Args:
        sock: The listening socket. On Linux, accepted connections inherit its options, which
            saves six system calls for each.
        connections: Most connections at a time.
    """
    for level, option, value in _TCP_OPTIONS:
        sock.setsockopt(level, option, value)
    _allow_open_files(connections + SPARE_FILES)


def _allow_open_files(wanted: int) -> None:
    """Raise this process's limit of open files as far as it may, and say when that is too little.

    Debian gives a process 1,024: a burst of calls would be left waiting in the kernel's queue.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return
    allowed = wanted if hard == unlimited else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("only %d files may be open, %d are needed for agi.max_connections", allowed, wanted)


class Allowed:
    """Who may connect.

    Args:
        hosts: Addresses, networks, and names of machines; none for loopback.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._names: list[str] = []
        self._known: frozenset[str] = frozenset()
        self._let_in: set[str] = set()
        self._looked_s = 0.0
        self._looking: asyncio.Task[None] | None = None
        for host in tuple(hosts) or LOOPBACK:
            try:
                self._networks.append(ipaddress.ip_network(host, strict=False))
            except ValueError:
                self._names.append(host)

    async def look_up(self) -> None:
        """Learn the addresses of names; one that has none lets nobody in."""
        loop = asyncio.get_running_loop()
        self._looked_s = loop.time()
        known = set()
        for name in self._names:
            try:
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as exc:
                log.warning("`%s` may use FastAGI (agi.allow_from), but its address is not known: %s", name, exc)
                continue
            known |= {str(address[0]) for *_, address in found}
        self._known = frozenset(known)
        self._let_in.clear()

    def look_up_again(self) -> None:
        """A stranger came: a name may have another address by now, or one at last. Returns at once."""
        loop = asyncio.get_running_loop()
        if self._names and loop.time() - self._looked_s >= LOOK_UP_PAUSE_S:
            self._looked_s = loop.time()
            self._looking = loop.create_task(self.look_up())

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def admits(self, peer: str) -> bool:
        """Tell whether this address may connect; for a stranger, names are looked up again."""
        if self.has(peer):
            return True
        self.look_up_again()
        return False

    def has(self, peer: str) -> bool:
        """Tell whether this address may connect."""
        if peer in self._let_in:
            return True
        if self._is_allowed(peer):
            if len(self._let_in) >= MOST_REMEMBERED:
                self._let_in.clear()
            self._let_in.add(peer)
            return True
        return False

    def _is_allowed(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        address = mapped or address  # IPv4 to a socket that listens on `::`
        return str(address) in self._known or any(address in network for network in self._networks)
