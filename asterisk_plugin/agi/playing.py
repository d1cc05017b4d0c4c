"""Playing sounds and reading keys, the same for a FastAGI session and a process AGI.

Rule 1: a key that is pressed while no command runs is lost: `run_agi` reads the channel's frames then, and
drops them (seen on 16.28 and 22.10). So as much as possible is one command. Two keys in a row are safe all
the same: Asterisk takes no second one within 45 ms of the first, and the next command is there sooner.

Rule 2: a result of -1 means that the call is gone, except where a command's own docstring says what else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from asterisk_plugin.agi import commands
from asterisk_plugin.errors import ChannelHungUp, CommandFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asterisk_plugin.ports import AgiRequest

LONGEST_MESSAGE_S = 60.0
"""Longest time the sounds of one message may take, plus `SOUND_S` for each; then Asterisk counts as frozen."""

SOUND_S = 3.0

_GONE, _NO_SUCH_APPLICATION = "-1", "-2"
_TOUCH_S = 0.001


class Playing(ABC):
    """What a channel can do with sounds and keys, on top of `_result` and `_evaluate_late`."""

    __slots__ = ("_has_read",)

    def __init__(self) -> None:
        self._has_read = True  # until Asterisk says that it has no Read()

    @abstractmethod
    async def _evaluate_late(self, expression: str) -> str:
        """As `ports.Channel.evaluate`, and also after a hang-up, as long as Asterisk still answers."""

    @abstractmethod
    async def _result(self, command: bytes, *, takes_s: float = 0) -> str:
        """Have Asterisk carry out one command.

        Args:
            command: One line.
            takes_s: Longest time it may take, on top of that for a reply.

        Returns:
            The `result` of its 200 reply; a negative one too.

        Raises:
            ChannelHungUp: The call or the connection ended; or 511, the channel is dead.
            ReplyTimeoutError: No reply in time.
            CommandRefusedError: Any other code.
        """

    async def answer(self) -> None:
        """Answer the call, if nobody has.

        Raises:
            ChannelHungUp: The call ended.
            ReplyTimeoutError: No reply in time.
            ChannelError: Asterisk refused.
        """
        _raise_if_gone(await self._result(commands.answer()))

    async def limit_to(self, seconds: int) -> None:
        """Let the call go on for so many seconds from now, whatever limit it had; raises as `answer`.

        Args:
            seconds: `TIMEOUT(absolute)`: after them the dialplan goes to its extension `T`.
        """
        _raise_if_gone(await self._result(commands.set_autohangup(seconds)))

    async def set_language(self, code: str) -> None:
        """Choose the language of the sounds played from now on; raises as `answer`.

        Args:
            code: ISO 639-1, two lower-case letters.

        Raises:
            LocalProtocolError: It is anything else.
        """
        _raise_if_gone(await self._result(commands.set_language(code)))

    async def play(self, prompts: Sequence[str], *, keys: str = "", wait_s: float = 0) -> str:
        """Play sounds one after another, until the end or the first pressed key that counts; raises as `answer`.

        With all twelve keys it is one command, and no key is lost between two sounds or before the waiting.
        With fewer it is a command for each sound, and what is pressed in the half millisecond between two is lost.

        Args:
            prompts: Names, `ringfence/goodbye`. One that is not there is left out.
            keys: Keys that stop it.
            wait_s: Seconds to go on waiting after the last, for any key.

        Returns:
            The key; empty when everything was played and nothing was pressed.

        Raises:
            LocalProtocolError: A name or a key must not be sent.
        """
        if self._has_read and prompts and set(commands.KEYS) <= set(keys):
            takes_s = LONGEST_MESSAGE_S + SOUND_S * len(prompts) + wait_s
            result = await self._result(commands.read(prompts, wait_s=wait_s), takes_s=takes_s)
            if result != _NO_SUCH_APPLICATION:
                _raise_if_gone(result)
                return await self._key_read(wait_s)
            self._has_read = False
        for prompt in prompts:
            if key := await self._play_one(prompt, keys):
                return key
        return await self.read_key(wait_s) if wait_s else ""

    async def read_key(self, timeout_s: float) -> str:
        """Wait for a key; empty after so many seconds of silence. Raises as `answer`."""
        return _key_of(await self._result(commands.wait_for_digit(timeout_s), takes_s=timeout_s))

    async def has_sound(self, prompt: str) -> bool:
        """Tell whether Asterisk could play a sound, in the language chosen; plays nothing. Raises as `answer`.

        Of a call that has just ended it says no; the next command that needs somebody there notices.
        """
        command = commands.stream_file(prompt, keys="", from_sample=commands.PAST_THE_END)
        return await self._result(command) != _GONE

    async def send_sound(self, call: str, address: str, *, most_s: float) -> bool:
        """Send the call's sound to an AudioSocket server until that one has heard enough.

        Args:
            call: What names the call there, 32 hex digits.
            address: `host:port` of the server.
            most_s: Longest time it may take.

        Returns:
            Whether it was sent; False where Asterisk has no AudioSocket() or nobody listens there.

        Raises:
            LocalProtocolError: One of them must not be sent.
            ChannelHungUp: The call ended. Else as `answer`.
        """
        result = await self._result(commands.audio_socket(call, address), takes_s=most_s)
        if result == _GONE:  # nobody listens, or nobody speaks any more
            await self.read_key(_TOUCH_S)
        return not result.startswith("-")

    async def spy(self, call: str, address: str) -> bool:
        """Have what this channel's far side says sent to an AudioSocket server while the call goes on.

        Args:
            call: What names the call there, 32 hex digits.
            address: `host:port` of the server.

        Returns:
            Whether it was begun. Raises as `answer`.

        Raises:
            LocalProtocolError: One of them, or the channel's name, must not be sent.
        """
        return not (await self._result(commands.spy(self.request.channel, call, address))).startswith("-")

    @property
    @abstractmethod
    def request(self) -> AgiRequest:
        """As `ports.Channel.request`."""

    async def detect_machine(self, *, most_s: float) -> tuple[str, str]:
        """Let `app_amd` listen.

        Args:
            most_s: Longest time it may take.

        Returns:
            `AMDSTATUS` and `AMDCAUSE`; empty where Asterisk has no AMD(). Raises as `answer`.
        """
        result = await self._result(commands.amd(), takes_s=most_s)
        if result.startswith("-"):
            if result == _GONE:
                await self.read_key(_TOUCH_S)
            return "", ""
        status, _, cause = (await self.evaluate("${AMDSTATUS}|${AMDCAUSE}")).partition("|")
        return status, cause

    async def tell(self, event: str, fields: Mapping[str, str]) -> None:
        """Send an event of this channel to everybody on AMI; raises as `answer`.

        Args:
            event: Its name.
            fields: Plain values.

        Raises:
            LocalProtocolError: A name or value must not be sent.
        """
        _raise_if_gone(await self._result(commands.user_event(event, fields)))

    @abstractmethod
    async def evaluate(self, expression: str) -> str:
        """As `ports.Channel.evaluate`."""

    async def _play_one(self, prompt: str, keys: str) -> str:
        takes_s = LONGEST_MESSAGE_S + SOUND_S
        result = await self._result(commands.stream_file(prompt, keys=keys), takes_s=takes_s)
        if result != _GONE:
            return _key_of(result)
        # No such sound, or nobody there to hear it: only what can be done on a living channel tells.
        key = await self.read_key(_TOUCH_S)
        return key if key in keys else ""

    async def _key_read(self, wait_s: float) -> str:
        status, _, key = (await self._evaluate_late(commands.READ_RESULT)).partition("|")
        if status == "HANGUP" and not key:  # who presses and hangs up has pressed
            raise ChannelHungUp("the call was hung up")
        if status == "ERROR":
            return await self.read_key(wait_s or _TOUCH_S)
        if status == "OK" and not key:
            return "#"
        return key if key in commands.KEYS else ""


def _key_of(result: str) -> str:
    """The key that a result is in ASCII, empty for 0 and for what is no key of a telephone."""
    _raise_if_gone(result)
    key = chr(int(result)) if result.isascii() and result.isdigit() and len(result) < 4 else ""
    return key if key in commands.KEYS else ""


def _raise_if_gone(result: str) -> None:
    if result == _GONE:
        raise ChannelHungUp("the call was hung up")
    if result.startswith("-"):
        raise CommandFailedError(f"Asterisk could not do a command, its result is `{result}`")
