"""The AMI client: what it keeps of a connection, and that each defect of panoramisk is contained."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from fake_ami import ACCEPTED, REFUSED, FakeAmi, fake_ami, recorded, settings_for
from panoramisk.manager import Manager

from asterisk_plugin.ami.client import AmiClient
from asterisk_plugin.errors import ActionRefusedError, LocalProtocolError, ManagerLostError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Listening:
    """A client that runs, and what it was told."""

    def __init__(self, peer: FakeAmi, **options: object) -> None:
        self.events: list[dict[str, str]] = []
        self.ups = 0
        self.downs = 0
        self.changed = asyncio.Event()
        settings = settings_for(peer.port, **options.pop("settings", {}))
        self.client = AmiClient(settings, on_event=self._heard, on_up=self._up, on_down=self._down, **options)

    def _heard(self, event: dict[str, str]) -> None:
        self.events.append(event)
        self.changed.set()

    def _up(self) -> None:
        self.ups += 1
        self.changed.set()

    def _down(self) -> None:
        self.downs += 1
        self.changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(30):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(peer: FakeAmi, **options: object) -> AsyncIterator[Listening]:
    listening = Listening(peer, **options)
    task = asyncio.create_task(listening.client.run())
    try:
        yield listening
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def connected(**options: object) -> AsyncIterator[tuple[FakeAmi, Listening]]:
    async with fake_ami() as peer, running(peer, **options) as listening:
        await listening.until(lambda it: it.ups == 1)
        yield peer, listening


async def test_logs_in_asking_for_the_events_of_calls_and_queues_only():
    """VarSet, Newexten and RTCP are most of a busy Asterisk's events; none of them is wanted."""
    async with connected() as (peer, listening):
        (login,) = peer.named("Login")
        assert (login["Username"], login["Secret"], login["Events"]) == ("watch", "s3cret", "call,agent,user")
        assert listening.client.up


async def test_hands_on_the_wanted_events_of_a_recorded_originate_in_order():
    """Newchannel, DialBegin, Newstate, Hangup as Asterisk 22.10 sent them; the rest is left out."""
    async with connected() as (peer, listening):
        await peer.send(recorded("originate_straight_to_trunk"))
        await listening.until(lambda it: any(e["Event"] == "Hangup" for e in it.events))
        names = [event["Event"] for event in listening.events]
        assert names == ["Newchannel", "DialBegin", "Newstate", "Hangup"]
        assert listening.events[1]["DialString"] == "20001@carrier"


@pytest.mark.parametrize("pieces", [1, 7, 997, 4387])
async def test_an_umlaut_survives_being_cut_by_tcp_anywhere(pieces):
    """A character split over two segments arrives whole, whatever the segments are."""
    async with connected() as (peer, listening):
        event = "Event: Newstate\r\nCallerIDName: Jürgen Müller €😀\r\n\r\n".encode()
        await peer.send(event, pieces=min(pieces, len(event)))
        await listening.until(lambda it: it.events)
        assert listening.events[0]["CallerIDName"] == "Jürgen Müller €😀"


async def test_bare_panoramisk_loses_a_character_cut_by_tcp():
    """Shows the defect that the test above shows contained."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with fake_ami() as peer:
        manager = Manager(host="127.0.0.1", port=peer.port, username="u", secret="s", ping_delay=60)
        manager.register_event("Newstate", lambda _, event: heard.put_nowait(event["CallerIDName"]))
        await manager.connect()
        await peer.wait_for("Login")
        event = "Event: Newstate\r\nCallerIDName: Jürgen\r\n\r\n".encode()
        await peer.send(event, pieces=len(event))
        async with asyncio.timeout(30):
            assert await heard.get() == "Jrgen"
        manager.connection_lost = lambda _exc: None  # it would reconnect for ever
        manager.close()


async def test_bytes_that_are_no_utf8_are_seen_as_such():
    """A Latin-1 name becomes U+FFFD; nothing is silently dropped and the next event is read."""
    async with connected() as (peer, listening):
        await peer.send(b"Event: Newstate\r\nCallerIDName: J\xfcrgen\r\n\r\nEvent: Newstate\r\nCallerIDName: x\r\n\r\n")
        await listening.until(lambda it: len(it.events) == 2)
        assert [event["CallerIDName"] for event in listening.events] == ["J�rgen", "x"]


async def test_an_action_gets_its_response_and_the_events_of_its_list():
    """CoreShowChannels as recorded: the response, ten channels, the end."""
    async with connected() as (peer, listening):
        peer.answers["CoreShowChannels"] = recorded("core_show_channels")
        messages = await listening.client.send_action("CoreShowChannels", {}, 2)
        assert messages[0]["Response"] == "Success"
        assert messages[-1]["Event"] == "CoreShowChannelsComplete"
        assert len(messages) == int(messages[-1]["ListItems"]) + 2


async def test_a_refused_action_says_what_asterisk_said():
    """`Response: Error` becomes ActionRefusedError."""
    async with connected() as (peer, listening):
        peer.answers["Command"] = recorded("denied")
        with pytest.raises(ActionRefusedError, match="Permission denied"):
            await listening.client.send_action("Command", {"Command": "core show version"}, 2)


@pytest.mark.parametrize("value", ["x\r\nAction: Originate", "x\ny", "x\ry", "x\0y"])
async def test_a_line_break_in_a_value_is_never_sent(value):
    """It would start another field, or another action."""
    async with connected() as (peer, listening):
        with pytest.raises(LocalProtocolError):
            await listening.client.send_action("Hangup", {"Channel": value}, 1)
        await listening.client.send_action("Ping", {}, 1)
        assert not peer.named("Hangup")
        assert not peer.named("Originate")


async def test_an_unanswered_action_ends_with_its_time_out_and_leaves_nothing_behind():
    """No pending response leaks, and an answer that comes too late harms nothing."""
    async with connected(settings={"ping_s": 30}) as (peer, listening):
        peer.answers["Originate"] = None
        protocol = listening.client._connection._manager.protocol
        for _ in range(3):
            with pytest.raises(ManagerLostError, match=r"no answer in 0\.05 s"):
                await listening.client.send_action("Originate", {"Channel": "Local/1@x"}, 0.05)
        assert protocol.responses == {}
        late = peer.named("Originate")[0]["ActionID"]
        await peer.send(f"Response: Success\r\nActionID: {late}\r\n\r\n".encode())
        await listening.client.send_action("Ping", {}, 1)


async def test_an_unanswered_action_is_never_sent_again_after_a_reconnect():
    """Neither one that timed out nor one that waited when the connection was lost."""
    async with connected() as (peer, listening):
        peer.answers["Originate"] = None
        waiting = asyncio.create_task(listening.client.send_action("Originate", {"Channel": "Local/1@x"}, 30))
        await peer.wait_for("Originate")
        peer.cut()
        with pytest.raises(ManagerLostError):
            await waiting
        await listening.until(lambda it: it.ups == 2)
        await peer.send(b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n")
        await listening.client.send_action("Ping", {}, 1)
        assert len(peer.named("Originate")) == 1


async def test_bare_panoramisk_sends_an_unanswered_originate_again():
    """Shows the defect that the test above shows contained."""
    async with fake_ami() as peer:
        peer.answers["Originate"] = None
        manager = Manager(host="127.0.0.1", port=peer.port, username="u", secret="s", reconnect_timeout=0)
        await manager.connect()
        await peer.wait_for("Login")
        manager.send_action({"Action": "Originate", "Channel": "Local/1@x"})
        await peer.wait_for("Originate")
        peer.cut()
        await peer.wait_for("Login", 2)
        await peer.send(b"Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n")
        assert len(await peer.wait_for("Originate", 2)) == 2
        manager.connection_lost = lambda _exc: None
        manager.close()


async def test_a_frozen_peer_is_noticed_and_a_new_connection_made():
    """Our own ping stays unanswered: the connection is aborted, and made again when the peer wakes."""
    async with connected() as (peer, listening):
        peer.frozen = True
        await listening.until(lambda it: it.downs == 1)
        assert not listening.client.up
        with pytest.raises(ManagerLostError, match="was not sent"):
            await listening.client.send_action("Hangup", {"Channel": "PJSIP/carrier-1"}, 1)
        peer.frozen = False
        await listening.until(lambda it: it.ups == 2)
        assert listening.client.up


async def test_a_frozen_peer_ends_an_action_that_waits():
    """Whoever waits is told as soon as the connection is given up, not after its own long time-out."""
    async with connected() as (peer, listening):
        peer.frozen = True
        with pytest.raises(ManagerLostError, match="ended"):
            async with asyncio.timeout(4):
                await listening.client.send_action("CoreShowChannels", {}, 60)


async def test_connects_again_after_each_loss_with_one_manager_per_connection():
    """A used Manager is never used again."""
    async with connected() as (peer, listening):
        managers = []
        for count in (2, 3):
            managers.append(listening.client._connection._manager)
            peer.cut()
            await listening.until(lambda it, count=count: it.ups == count)
        managers.append(listening.client._connection._manager)
        assert len(set(map(id, managers))) == 3
        assert listening.downs == 2
        assert all(not manager._connected for manager in managers[:2])


async def test_a_lost_connection_keeps_no_action_to_be_sent_later():
    """The second fence beside one Manager per connection: panoramisk's own memory stays empty."""
    async with connected() as (peer, listening):
        peer.answers["Originate"] = None
        manager = listening.client._connection._manager
        waiting = asyncio.create_task(listening.client.send_action("Originate", {"Channel": "Local/1@x"}, 30))
        await peer.wait_for("Originate")
        peer.cut()
        with pytest.raises(ManagerLostError):
            await waiting
        assert not manager.awaiting_actions


async def test_pauses_grow_while_nobody_is_there_and_the_fault_is_logged_once(caplog, monkeypatch):
    """0.2 s, doubling to 5 s; a peer that is away for a night does not fill the log."""
    async with fake_ami() as peer:
        port = peer.port
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(delay: float) -> None:
        pauses.append(delay)
        await real_sleep(0)
        if len(pauses) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr("asterisk_plugin.ami.client.asyncio.sleep", sleep)
    client = AmiClient(settings_for(port), on_event=lambda _event: None)
    with pytest.raises(asyncio.CancelledError):
        await client.run()
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert len([r for r in caplog.records if "is down" in r.message]) == 1


async def test_a_refused_login_is_logged_once_and_tried_again_slowly(caplog):
    """A wrong secret does not mend itself; nobody is told "up", and the secret is not in the log."""
    async with fake_ami() as peer:
        peer.answers["Login"] = REFUSED
        async with running(peer, refused_pause_s=0.02) as listening:
            await peer.wait_for("Login", 3)
            assert listening.ups == 0
            said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
            assert len(said) == 1
            assert "refused user `watch`" in said[0]
            assert "s3cret" not in caplog.text
            peer.answers["Login"] = ACCEPTED
            await listening.until(lambda it: it.ups == 1)


async def test_a_peer_that_never_ends_a_message_is_dropped(monkeypatch):
    """Memory is not given away to something that is no Asterisk."""
    monkeypatch.setattr("asterisk_plugin.ami.connection.MAX_MESSAGE_CHARS", 10_000)
    async with connected(settings={"ping_s": 30}) as (peer, listening):
        await peer.send(b"x" * 20_000)
        await listening.until(lambda it: it.downs == 1)


async def test_a_listener_that_fails_does_not_end_the_connection(caplog):
    """An error in taking one event is logged; the next event comes."""
    async with fake_ami() as peer:
        heard = asyncio.Event()
        up = asyncio.Event()

        def listener(event: dict[str, str]) -> None:
            if event["Channel"] == "bad":
                raise RuntimeError("ours")
            heard.set()

        client = AmiClient(settings_for(peer.port), on_event=listener, on_up=up.set)
        task = asyncio.create_task(client.run())
        async with asyncio.timeout(30):
            await up.wait()
            await peer.send(b"Event: Hangup\r\nChannel: bad\r\n\r\nEvent: Hangup\r\nChannel: good\r\n\r\n")
            await heard.wait()
        assert client.up
        assert "could not be taken" in caplog.text
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
