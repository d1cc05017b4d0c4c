"""Who may use FastAGI: addresses, networks, and names whose address changes."""

from __future__ import annotations

import asyncio
import socket

import pytest

from asterisk_plugin.agi import sockets
from asterisk_plugin.agi.sockets import Allowed


@pytest.mark.parametrize(
    ("peer", "may"),
    [("::ffff:10.0.0.7", True), ("10.0.0.8", False), ("fe80::1%eth0", True), ("", False), ("nobody", False)],
)
def test_a_peer_is_known_however_its_address_is_written(peer, may):
    """IPv4 through a socket that listens on `::`, a link-local address with its interface."""
    assert Allowed(["10.0.0.7", "fe80::/10"]).has(peer) is may


async def test_a_machine_that_gets_its_name_later_is_let_in(monkeypatch, caplog):
    """The container of an Asterisk that starts after us, or comes back with another address."""
    looks: list[str] = []

    def look_up(host, *_, **__):
        looks.append(host)
        if len(looks) == 1:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    allowed = Allowed(["pbx.invalid"])
    await allowed.look_up()
    assert "`pbx.invalid` may use FastAGI" in caplog.text
    allowed.look_up_again()  # too soon
    await asyncio.sleep(0)
    assert not allowed.has("192.0.2.7")
    monkeypatch.setattr(sockets, "LOOK_UP_PAUSE_S", 0.0)
    allowed.look_up_again()
    async with asyncio.timeout(5):
        while not allowed.has("192.0.2.7"):  # noqa: ASYNC110 - a look-up's end is no event
            await asyncio.sleep(0.001)
    await allowed.close()
    assert looks == ["pbx.invalid", "pbx.invalid"]
