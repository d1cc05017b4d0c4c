"""Who may use FastAGI: addresses, networks, and names whose address changes."""

from __future__ import annotations

import asyncio
import socket
from unittest.mock import Mock

import pytest

from asterisk_plugin.agi import sockets
from asterisk_plugin.agi.sockets import Allowed
from asterisk_plugin.app.answering import start_sounds
from asterisk_plugin.settings.service import AudioSocketSettings


@pytest.mark.parametrize(
    ("peer", "may"),
    [("::ffff:10.0.0.7", True), ("10.0.0.8", False), ("fe80::1%eth0", True), ("", False), ("nobody", False)],
)
def test_a_peer_is_known_however_its_address_is_written(peer, may):
    """IPv4 through a socket that listens on `::`, a link-local address with its interface."""
    assert Allowed(["10.0.0.7", "fe80::/10"]).has(peer) is may


@pytest.fixture
def looks(monkeypatch):
    """The names that were looked up; from the second time on, there is an address."""
    looks: list[str] = []

    def look_up(host, *_, **__):
        looks.append(host)
        if len(looks) == 1:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return looks


async def test_a_machine_that_gets_its_name_later_is_let_in(looks, monkeypatch, caplog):
    """The container of an Asterisk that starts after us, or comes back with another address."""
    allowed = Allowed(["pbx.invalid"])
    await allowed.look_up()
    assert "`pbx.invalid` may use FastAGI" in caplog.text
    allowed.look_up_again()  # too soon
    await asyncio.sleep(0)
    assert not allowed.has("192.0.2.7")
    monkeypatch.setattr(sockets, "LOOK_UP_PAUSE_S", 0.0)
    allowed.look_up_again()
    async with asyncio.timeout(30):
        while not allowed.has("192.0.2.7"):  # noqa: ASYNC110 - a look-up's end is no event
            await asyncio.sleep(0.001)
    await allowed.close()
    assert looks == ["pbx.invalid", "pbx.invalid"]


async def test_sound_of_a_machine_that_gets_its_name_later_is_let_in(looks, monkeypatch):
    """As FastAGI lets it in: who comes in vain makes its name be looked up again."""
    monkeypatch.setattr(sockets, "LOOK_UP_PAUSE_S", 0.0)
    sounds = await start_sounds(AudioSocketSettings(port=0), ["pbx.invalid"])
    try:
        assert not sounds.admit(Mock(), "192.0.2.7")
        async with asyncio.timeout(30):
            while not sounds.admit(Mock(), "192.0.2.7"):  # noqa: ASYNC110 - a look-up's end is no event
                await asyncio.sleep(0.001)
    finally:
        await sounds.stop()
