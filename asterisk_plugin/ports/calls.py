"""What a call is to the flows: a channel that asks, and its sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class AgiRequest:
    """What Asterisk says when a script starts.

    Args:
        script: Path of the URL without slashes: `attempt`.
        arguments: `agi_arg_1...` in order, as text.
        channel: Channel name, `PJSIP/agent1-00000001`.
        unique_id: Asterisk's unique id of that channel.
        caller_number: `agi_callerid`, empty when Asterisk says `unknown`.
        calling_pres: `agi_callingpres`: 0-3 shown, 32-35 withheld, 67 unavailable.
        extension: `agi_extension`.
        peer: Address of the Asterisk that asked, `127.0.0.1`; `local` for a process AGI.
        variables: Every `agi_*` line, for what is not named above.
    """

    script: str
    arguments: tuple[str, ...] = ()
    channel: str = ""
    unique_id: str = ""
    caller_number: str = ""
    calling_pres: int = 0
    extension: str = ""
    peer: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


class Channel(Protocol):
    """One call that asks us something, through FastAGI or a process AGI."""

    @property
    def request(self) -> AgiRequest:
        """What Asterisk said when the script started."""
        ...

    async def set_variables(self, values: Mapping[str, str], *, last: bool = False) -> None:
        """Set channel variables in the given order, plain ones together in one command.

        Args:
            values: By name.
            last: Nothing more will be asked: the call may go on at once.

        Raises:
            LocalProtocolError: A name or value that must not be sent (line break, quote, NUL).
            ChannelHungUp: The call ended.
            ChannelError: Asterisk refused.
        """
        ...

    async def evaluate(self, expression: str) -> str:
        """Let Asterisk evaluate a dialplan expression on this channel, `${CONNECTEDLINE(num)}`.

        Returns:
            Its value; empty when it has none.

        Raises:
            ChannelHungUp: The call ended.
            ChannelError: Asterisk refused.
        """
        ...

    async def answer(self) -> None:
        """Answer the call, if nobody has; raises as `set_variables`."""
        ...

    async def limit_to(self, seconds: int) -> None:
        """Let the call go on for so many seconds from now, whatever limit it had; raises as `set_variables`."""
        ...

    async def play(self, prompts: Sequence[str], *, keys: str = "", wait_s: float = 0) -> str:
        """Play sounds one after another, until the end or the first pressed key that counts.

        A sound that is not there is left out. With all twelve keys no key is lost between two sounds,
        nor between the last one and the waiting.

        Args:
            prompts: Sound names without folder of a language and without format, `ringfence/goodbye`.
            keys: Keys that stop it, out of `0123456789*#`.
            wait_s: Seconds to go on waiting after the last sound, for any key.

        Returns:
            The key, empty when everything was played and nothing pressed. Raises as `set_variables`.
        """
        ...

    async def has_sound(self, prompt: str) -> bool:
        """Tell whether Asterisk could play a sound; plays nothing. Raises as `set_variables`."""
        ...

    async def read_key(self, timeout_s: float) -> str:
        """Wait for a key; empty after so many seconds of silence. Raises as `set_variables`."""
        ...

    async def send_sound(self, call: str, address: str, *, most_s: float) -> bool:
        """Send the call's sound to an AudioSocket server until that one has heard enough.

        Args:
            call: What names the call there, 32 hex digits.
            address: `host:port` of the server.
            most_s: Longest time it may take, in seconds.

        Returns:
            Whether it was sent. Raises as `set_variables`.
        """
        ...

    async def spy(self, call: str, address: str) -> bool:
        """Have what this channel's far side says sent to an AudioSocket server while the call goes on.

        Args:
            call: What names the call there, 32 hex digits.
            address: `host:port` of the server.

        Returns:
            Whether it was begun. Raises as `set_variables`.
        """
        ...

    async def detect_machine(self, *, most_s: float) -> tuple[str, str]:
        """Let `app_amd` listen for so many seconds at most; returns `AMDSTATUS` and `AMDCAUSE`, empty without app_amd.

        Raises as `set_variables`.
        """
        ...

    async def tell(self, event: str, fields: Mapping[str, str]) -> None:
        """Send an event of this channel, with plain values, to everybody on AMI. Raises as `set_variables`."""
        ...

    async def set_language(self, code: str) -> None:
        """Choose the language of the sounds played from now on, ISO 639-1. Raises as `set_variables`."""
        ...


class Hearer(Protocol):
    """Somebody who listens to a call. Must not wait."""

    def take(self, samples: bytes) -> bool:
        """Hear what came: signed, 16 bits, little-endian, 8 kHz. True: that is enough, the call goes on."""
        ...

    def ended(self) -> None:
        """No more sound will come."""
        ...


class Sounds(Protocol):
    """Where the sound of calls arrives."""

    @property
    def address(self) -> str:
        """`host:port`, as AudioSocket() wants it."""
        ...

    def expect(self, call: str, hearer: Hearer, *, again: bool = False) -> None:
        """Hand the sound of a call, named by 32 hex digits, to somebody once it comes.

        Args:
            call: Its name.
            hearer: Who listens.
            again: Also once it comes again after it broke off.
        """
        ...

    def forget(self, call: str) -> None:
        """Expect a call no more; one that is heard already goes on."""
        ...
