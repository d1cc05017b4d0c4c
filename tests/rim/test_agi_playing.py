"""Sounds and keys, over FastAGI and in a process AGI alike."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from asterisk_plugin.agi import playing
from asterisk_plugin.agi.process import ProcessChannel
from asterisk_plugin.errors import (
    ChannelHungUp,
    CommandFailedError,
    CommandRefusedError,
    LocalProtocolError,
    ReplyTimeoutError,
)
from tests.rim.agi_peer import AsteriskPeer, Dialplan, request
from tests.rim.agi_pipes import Pipes
from tests.rim.agi_running import connect, end, read_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asterisk_plugin.ports import Channel

ALL = "0123456789*#"
A, B, C = "ringfence/a", "ringfence/b", "ringfence/c"


@pytest.fixture(params=["fastagi", "process"])
def talk(request: pytest.FixtureRequest, start) -> Callable[..., Awaitable[Any]]:
    """Runs a script on a channel of either kind; returns what it returned, or raises what it raised."""

    async def fastagi(dialplan: Dialplan, script: Callable[[Channel], Awaitable[Any]]) -> Any:
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def wrapped(channel: Channel) -> None:
            try:
                result.set_result(await script(channel))
            except Exception as exc:  # noqa: BLE001 - handed on to who asked
                result.set_exception(exc)

        running = await start({"talk": wrapped})
        peer = AsteriskPeer(dialplan)
        await peer.call(running.port, header("talk"))
        assert not peer.stalled
        return await result

    async def process(dialplan: Dialplan, script: Callable[[Channel], Awaitable[Any]]) -> Any:
        before = signal.getsignal(signal.SIGHUP)
        pipes = Pipes(dialplan)
        pipes.say(header(None))
        try:
            return await script(ProcessChannel(pipes.read_fd, pipes.write_fd))
        finally:
            pipes.close()
            signal.signal(signal.SIGHUP, before)

    return fastagi if request.param == "fastagi" else process


header = request


async def test_a_message_that_any_key_cuts_is_one_command_with_its_waiting(talk):
    """Between two commands Asterisk drops keys, so there are none between two sounds."""
    dialplan = Dialplan(presses=["5"])
    assert await talk(dialplan, lambda channel: channel.play([A, B, C], keys=ALL, wait_s=5)) == "5"
    assert dialplan.commands[0] == f'EXEC Read "RINGFENCE_KEY,{A}&{B}&{C},1,n,1,5.000"'
    assert len(dialplan.commands) == 2


@pytest.mark.parametrize(("pressed", "key"), [("#", "#"), ("*", "*"), ("0", "0"), ("", ""), ("A", "")])
async def test_every_key_of_a_telephone_is_told_apart_from_silence(talk, pressed, key):
    """`Read()` ends at a hash and leaves nothing; other tones exist and mean nothing."""
    assert await talk(Dialplan(presses=[pressed]), lambda channel: channel.play([A], keys=ALL, wait_s=1)) == key


async def test_a_message_that_some_keys_cut_goes_on_at_others(talk):
    """Each sound is a command; the waiting hears every key."""
    dialplan = Dialplan(presses=["5", "2"])
    assert await talk(dialplan, lambda channel: channel.play([A, B, C], keys="129")) == "2"
    assert dialplan.played == [A, B]
    waiting = Dialplan(presses=["", "5", "7"])
    assert await talk(waiting, lambda channel: channel.play([A, B], keys="129", wait_s=5)) == "7"
    assert waiting.commands[-1] == "WAIT FOR DIGIT 5000"


async def test_without_keys_everything_is_played(talk):
    """Whatever is pressed."""
    dialplan = Dialplan(presses=["1", "2"])
    assert await talk(dialplan, lambda channel: channel.play([A, B])) == ""
    assert dialplan.played == [A, B]


@pytest.mark.parametrize("keys", [ALL, "12", ""])
async def test_a_sound_that_is_missing_is_left_out(talk, keys):
    """The rest is heard, and the waiting happens also when the last one is missing."""
    sounds = ["ringfence/x", A, "ringfence/y", B, "ringfence/z"]
    # Of each that is missing it is asked whether anybody is still there.
    dialplan = Dialplan(presses=["", "4"] if keys == ALL else ["", "", "", "", "", "4"])
    assert await talk(dialplan, lambda channel: channel.play(sounds, keys=keys, wait_s=3)) == "4"
    assert dialplan.played == [A, B]


async def test_an_asterisk_without_read_plays_all_the_same(talk):
    """It is asked once."""
    dialplan = Dialplan(presses=["", "3", "8"], has_read=False)

    async def script(channel: Channel) -> str:
        first = await channel.play([A, B], keys=ALL, wait_s=1)
        return first + await channel.play([C], keys=ALL, wait_s=1)

    assert await talk(dialplan, script) == "38"
    assert [command for command in dialplan.commands if "Read" in command] == [dialplan.commands[0]]


@pytest.mark.parametrize(
    ("keys", "sounds"), [(ALL, [A]), ("1", [A]), ("", [A]), ("", [A, "ringfence/x"]), (ALL, []), ("1", [])]
)
async def test_a_hang_up_in_the_middle_is_one(talk, keys, sounds):
    """-1 also means a missing sound; a dead channel tells the two apart."""
    dialplan = Dialplan(presses=["hang up"])
    with pytest.raises(ChannelHungUp):
        await talk(dialplan, lambda channel: channel.play(sounds, keys=keys, wait_s=2))
    assert dialplan.is_dead


async def test_a_key_and_a_hang_up_right_behind_it_is_a_key(talk):
    """Who presses 1 and hangs up has pressed 1. A process is told by a signal instead of a line."""
    over_network = talk.__name__ == "fastagi"

    class Hasty(Dialplan):
        def _press(self, keys: str) -> int:
            self.is_dead = True
            return super()._press(keys)

        def _read(self, *arguments: str) -> bytes:
            reply = super()._read(*arguments)
            self.values = {name: "HANGUP|1" for name in self.values}
            return reply

        def reply(self, line: str) -> bytes:
            reply = super().reply(line)
            told = self.is_dead and over_network and not line.startswith("GET")
            return reply + b"HANGUP\n" if told else reply

    assert await talk(Hasty(presses=["1"]), lambda channel: channel.play([A], keys=ALL, wait_s=1)) == "1"
    assert await talk(Hasty(presses=["1"]), lambda channel: channel.play([A], keys="1")) == "1"
    assert await talk(Hasty(presses=["1"]), lambda channel: channel.read_key(1)) == "1"


@pytest.mark.parametrize(
    ("came", "key"),
    [
        (b"HANGUP\n200 result=1 (HANGUP|1)\n", "1"),
        (b"HANGUP\n200 result=1 (HANGUP|)\n", "ChannelHungUp"),
        (b"HANGUP\n511 Command Not Permitted on a dead channel\n", "ChannelHungUp"),
        (b"HANGUP\n", "ChannelHungUp"),
        (b"", "ChannelHungUp"),
    ],
)
async def test_a_hang_up_between_a_key_and_the_question_which_it_was(start, came, key):
    """The answer is waited for as long as Asterisk may give it; here it closes after what came."""
    got: list[str] = []

    async def script(channel: Channel) -> None:
        try:
            got.append(await channel.play([A], keys=ALL))
        except Exception as exc:
            got.append(type(exc).__name__)
            raise
        with pytest.raises(ChannelHungUp):
            await channel.play([A], keys=ALL)

    running = await start({"talk": script})
    reader, writer = await connect(running.port)
    writer.write(header("talk"))
    assert b"Read" in await reader.readline()
    writer.write(b"200 result=0\n")
    assert b"READSTATUS" in await reader.readline()
    writer.write(came)
    if key != "1":
        writer.write_eof()
    assert await read_all(reader) == b""
    await end(writer)
    assert got == [key]


async def test_a_waiting_ends_with_a_key_or_after_its_time(talk):
    """In milliseconds, and never 0, which Asterisk would not wait for, or -1, for ever."""
    dialplan = Dialplan(presses=["9"])

    async def script(channel: Channel) -> list[str]:
        return [await channel.read_key(2.5), await channel.read_key(0)]

    assert await talk(dialplan, script) == ["9", ""]
    assert dialplan.commands == ["WAIT FOR DIGIT 2500", "WAIT FOR DIGIT 1"]


async def test_a_sound_is_looked_for_without_playing_it(talk):
    """From behind its end; no key is taken by it."""
    dialplan = Dialplan(presses=["1"])

    async def script(channel: Channel) -> list[bool]:
        return [await channel.has_sound(A), await channel.has_sound("ringfence/x")]

    assert await talk(dialplan, script) == [True, False]
    assert (dialplan.played, dialplan.presses) == ([], ["1"])


async def test_the_call_is_answered_in_a_language(talk):
    """Two letters, nothing else: it stands in a function's name."""
    dialplan = Dialplan()

    async def script(channel: Channel) -> None:
        await channel.answer()
        await channel.set_language("de")

    await talk(dialplan, script)
    assert dialplan.commands == ["ANSWER", 'SET VARIABLE "CHANNEL(language)" "de"']
    for code in ("DE", "", "deu", 'd"', "d\n"):
        with pytest.raises(LocalProtocolError):
            await talk(Dialplan(), lambda channel, code=code: channel.set_language(code))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a b", "a&b", "a,b", 'a"', "a\nb", "", "x" * 101, "${A}", "a.b"]
)
@pytest.mark.parametrize("keys", [ALL, "1"])
async def test_a_name_that_is_no_sound_is_never_sent(talk, name, keys):
    """Not even the good ones before it, where all is one command."""
    dialplan = Dialplan()
    with pytest.raises(LocalProtocolError):
        await talk(dialplan, lambda channel: channel.play([name, A], keys=keys))
    assert dialplan.commands == []


async def test_keys_that_are_none_are_never_sent(talk):
    """They stand between quotes."""
    with pytest.raises(LocalProtocolError):
        await talk(Dialplan(), lambda channel: channel.play([A], keys='1" 0'))


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"510 Invalid or unknown command\n", CommandRefusedError),
        (b"520 Invalid command syntax.  Proper usage not available.\n", CommandRefusedError),
        (b"511 Command Not Permitted on a dead channel or intercept routine\n", ChannelHungUp),
        (b"200 result=-1\n", ChannelHungUp),
        (b"200 result=-3\n", CommandFailedError),
        (b"200 result=what\n", None),
    ],
)
async def test_a_refusal_reaches_the_script(talk, reply, error):
    """Whatever is no key is none."""
    if error is None:
        assert await talk(Dialplan(replies=[reply]), lambda channel: channel.read_key(1)) == ""
        return
    with pytest.raises(error):
        await talk(Dialplan(replies=[reply]), lambda channel: channel.read_key(1))
    with pytest.raises(error):
        await talk(Dialplan(replies=[reply]), lambda channel: channel.answer())


async def test_a_sound_may_take_longer_than_a_reply_and_a_frozen_asterisk_is_noticed(start, monkeypatch):
    """The time of a command that plays comes on top of that for a reply."""
    monkeypatch.setattr(playing, "LONGEST_MESSAGE_S", 0.3)
    monkeypatch.setattr(playing, "SOUND_S", 0.0)
    raised: list[Exception] = []

    async def script(channel: Channel) -> None:
        try:
            await channel.play([A], keys=ALL)
            await channel.read_key(0.2)
            await channel.read_key(0.0)
        except Exception as exc:
            raised.append(exc)
            raise

    running = await start({"talk": script}, reply_timeout_s=0.1)
    reader, writer = await connect(running.port)
    writer.write(header("talk"))
    await reader.readline()
    await asyncio.sleep(0.2)
    writer.write(b"200 result=0\n")
    await reader.readline()
    writer.write(b"200 result=1 (TIMEOUT|)\n")
    await reader.readline()
    await asyncio.sleep(0.2)
    writer.write(b"200 result=0\n")
    assert b"WAIT FOR DIGIT 1\n" in await read_all(reader)
    await end(writer)
    assert [type(exc) for exc in raised] == [ReplyTimeoutError]
    assert running.events["timeout"] == 1


async def test_a_process_notices_a_frozen_asterisk(monkeypatch):
    """And the loop runs on while a sound plays."""
    monkeypatch.setattr(playing, "LONGEST_MESSAGE_S", 0.2)
    monkeypatch.setattr(playing, "SOUND_S", 0.0)
    before = signal.getsignal(signal.SIGHUP)
    pipes = Pipes(Dialplan(replies=[b""]))
    pipes.say(header(None))
    turns = 0
    try:
        channel = ProcessChannel(pipes.read_fd, pipes.write_fd, timeout_s=0.1)
        playing_now = asyncio.ensure_future(channel.play([A], keys="1"))
        while not playing_now.done():
            turns += 1
            await asyncio.sleep(0.01)
        with pytest.raises(ReplyTimeoutError):
            await playing_now
    finally:
        pipes.close()
        signal.signal(signal.SIGHUP, before)
    assert turns > 10


async def test_a_process_whose_waiting_was_given_up_takes_its_reply_first():
    """A thread cannot be cancelled: the late reply must not answer the next command."""
    before = signal.getsignal(signal.SIGHUP)
    pipes = Pipes(Dialplan(replies=[b""], values={"${A}": "x"}))
    pipes.say(header(None))
    try:
        channel = ProcessChannel(pipes.read_fd, pipes.write_fd)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await channel.read_key(3)
        asyncio.get_running_loop().call_later(0.05, pipes.say, b"200 result=49\n")
        assert await channel.evaluate("${A}") == "x"
    finally:
        pipes.close()
        signal.signal(signal.SIGHUP, before)


async def test_a_process_that_is_told_of_the_hang_up_says_so_at_the_next_command():
    """SIGHUP comes to the main thread, while a sound plays in another."""

    class HangingUp(Dialplan):
        def reply(self, line: str) -> bytes:
            os.kill(os.getpid(), signal.SIGHUP)
            return super().reply(line)

    before = signal.getsignal(signal.SIGHUP)
    pipes = Pipes(HangingUp(presses=["1"]))
    pipes.say(header(None))
    try:
        channel = ProcessChannel(pipes.read_fd, pipes.write_fd)
        assert await channel.read_key(1) == "1"
        with pytest.raises(ChannelHungUp):
            await channel.read_key(1)
    finally:
        pipes.close()
        signal.signal(signal.SIGHUP, before)
