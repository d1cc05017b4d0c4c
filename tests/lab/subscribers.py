"""The people behind the carrier: what they do when called, what they press and hear, whom they call back."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from tests.lab.heard import Ear, Heard
from tests.lab.rtp_capture import RtpCapture
from tests.lab.wire_record import Invite, invites_in, invites_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.lab.instance import Asterisk
    from tests.lab.manager import Message

_LOOK_S = 0.1


class Subscribers:
    """Everybody whom the carrier connects.

    Args:
        carrier: Their carrier.
    """

    def __init__(self, carrier: Asterisk) -> None:
        self._carrier = carrier
        self._capture: RtpCapture | None = None
        self._ears: dict[tuple[str, int], tuple[Ear, int]] = {}  # call and port -> who hears it, packets taken
        self._channels: dict[str, str] = {}  # channel -> who is at its end
        self._legs: dict[str, str] = {}  # leg to the PBX -> who calls
        carrier.manager.watch(self._take)

    async def does(
        self, number: str, what: str, *, ring_s: float, talk_s: float, keys: Iterable[tuple[float, str]] = ()
    ) -> None:
        """Say what a person does when called; see `Lab.subscriber`."""
        await self._put("subscriber", number, f"{what}-{ring_s}-{talk_s}")
        await self._put("keys", number, _written(keys))

    async def calls(
        self,
        number: str,
        to: str,
        *,
        pres: str = "allowed",
        ring_s: float = 30,
        talk_s: float = 30,
        keys: Iterable[tuple[float, str]] = (),
    ) -> None:
        """Have a person call a number of the PBX.

        Args:
            number: Who calls.
            to: Whom.
            pres: `allowed` or `prohib`: then the network passes the number on, marked as withheld.
            ring_s: Seconds until the network gives up an unanswered call.
            talk_s: Seconds until the person ends the call.
            keys: See `Lab.subscriber`.
        """
        await self._put("keys", number, _written(keys))
        variables = {
            "LAB_FROM": number,
            "LAB_TO": to,
            "LAB_PRES": pres,
            "LAB_RING_S": str(ring_s),
            "NUMBER": number,
            "TALK_S": str(talk_s),
        }
        await self._carrier.ami(
            "Originate",
            {
                "Channel": "Local/s@caller/n",
                "Context": "subscriber",
                "Exten": "calls",
                "Priority": "1",
                "Timeout": str(round(ring_s * 1000) + 5000),
                "Async": "true",
                "Variable": [f"{key}={value}" for key, value in variables.items()],
            },
        )

    async def press(self, number: str, keys: str, *, pause_s: float = 0.2) -> None:
        """Press keys now.

        Args:
            number: Who presses.
            keys: One after the other.
            pause_s: Seconds from the beginning of one to that of the next: a person's fingers.

        Raises:
            AssertionError: This person is in no call.
        """
        # Of the two halves of a calling person's own channel, the second is the network's.
        channel = next(one for one in self._channels_of(number) if not one.endswith(";2"))
        for key in keys:
            await self._carrier.ami("PlayDTMF", {"Channel": channel, "Digit": key, "Duration": "120"})
            await asyncio.sleep(pause_s)

    async def press_unanswered(self, number: str, key: str) -> None:
        """Press a key in a call that this person has made and nobody has answered.

        Raises:
            AssertionError: This person calls nobody.
        """
        channel = next((leg for leg, theirs in self._legs.items() if theirs == number), "")
        assert channel, f"{number} calls nobody"
        await self._carrier.ami("PlayDTMF", {"Channel": channel, "Digit": key, "Duration": "120"})

    async def hang_up(self, number: str) -> None:
        """Be the person who hangs up."""
        for channel in self._channels_of(number):
            await self._carrier.ami("Hangup", {"Channel": channel})

    def listen(self) -> None:
        """Hear what everybody hears from now on; what was heard before is forgotten.

        Raises:
            CaptureNotAllowed: Neither root nor CAP_NET_RAW.
        """
        if self._capture is None:
            self._capture = RtpCapture(self._carrier.rtp_ports)
        self._ears.clear()
        self._capture.start()

    def stop_listening(self) -> None:
        """Stop; costs nothing any more, and `heard` still answers."""
        if self._capture is not None:
            self._capture.stop()

    @property
    def lost_packets(self) -> int:
        """How many came too fast for this process since `listen`: what they carried counts as never heard."""
        return self._capture.lost if self._capture is not None else 0

    async def heard(self, number: str, since_s: float = 0) -> list[Heard]:
        """What this person heard, call by call, in the calls since a moment."""
        return [self.heard_in(call) for call in await self._calls(number, since_s)]

    async def call_of(self, number: str, since_s: float, *, timeout_s: float) -> Invite:
        """Wait for the last call of a person since a moment, until there is sound to be heard in it.

        Raises:
            TimeoutError: There is none.
        """
        async with asyncio.timeout(timeout_s):
            while not (calls := await self._calls(number, since_s)) or not _ports(calls[-1]):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
        return calls[-1]

    async def until(self, number: str, is_so: Callable[[Heard], bool], *, timeout_s: float, since_s: float) -> Heard:
        """Wait until something is so of what a person heard in the last call.

        Raises:
            TimeoutError: It never was.
        """
        async with asyncio.timeout(timeout_s):
            call = await self.call_of(number, since_s, timeout_s=timeout_s)
            while not is_so(heard := self.heard_in(call)):  # noqa: ASYNC110 - packets are no event
                await asyncio.sleep(_LOOK_S)
        return heard

    async def _calls(self, number: str, since_s: float) -> list[Invite]:
        messages = [message for message in await self._carrier.sip_messages() if message.at_s >= since_s]
        theirs = [call for call in invites_in(messages) if call.number == number]
        theirs += [call for call in invites_out(messages) if number in (call.from_number, call.pai_number)]
        return sorted(theirs, key=lambda call: call.at_s)

    def heard_in(self, call: Invite) -> Heard:
        """What was heard in one call until now."""
        assert self._capture is not None, "listen() comes first"
        self._capture.take()
        (port,) = _ports(call) or {0}
        ear, taken = self._ears.get((call.call_id, port), (Ear(call.call_id), 0))
        packets = self._capture.packets.get(port, [])
        until_s = call.ended_at_s or float("inf")
        # Once and in order, because many people listen for minutes; the port may be another call's before and after.
        ear.take(packet for packet in packets[taken:] if call.at_s <= packet.at_s <= until_s)
        self._ears[call.call_id, port] = ear, len(packets)
        return ear.heard()

    def _take(self, event: Message) -> None:
        if event.get("Event") == "VarSet" and event.get("Variable") == "NUMBER":
            self._channels[event["Channel"]] = event["Value"]
        elif event.get("Event") == "VarSet" and event.get("Variable") == "CALLER_NUMBER":
            self._legs[event["Channel"]] = event["Value"]
        elif event.get("Event") == "Hangup":
            self._channels.pop(event["Channel"], None)
            self._legs.pop(event["Channel"], None)

    def _channels_of(self, number: str) -> list[str]:
        found = [channel for channel, theirs in self._channels.items() if theirs == number]
        assert found, f"{number} is in no call"
        return found

    async def _put(self, family: str, number: str, value: str) -> None:
        await self._carrier.ami("DBPut", {"Family": family, "Key": number, "Val": value})


def _ports(call: Invite) -> set[int]:
    """Where the carrier takes the sound of a call."""
    described = "\n".join(message.text for message in call.messages if not message.received)
    return {int(port) for port in re.findall(r"^m=audio (\d+) ", described, re.MULTILINE)}


def _written(keys: Iterable[tuple[float, str]]) -> str:
    """As the carrier's dialplan reads it: `2.5-1,0.5-12#`."""
    pairs: Sequence[tuple[float, str]] = list(keys)
    if not all(re.fullmatch(r"[0-9*#A-D]+", pressed) for _, pressed in pairs):
        raise ValueError("keys are digits, `*`, `#` and A to D")
    return ",".join(f"{after_s}-{pressed}" for after_s, pressed in pairs) or "none"
