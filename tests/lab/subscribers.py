"""The people behind the carrier: what they do when called, what they press and hear, whom they call back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

from tests.lab.heard import Heard, put_together
from tests.lab.manager import ManagerFailed
from tests.lab.rtp_capture import RtpCapture
from tests.lab.wire_record import Invite, invites_in, invites_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.lab.instance import Asterisk

_LOOK_S = 0.1


class Subscribers:
    """Everybody whom the carrier connects.

    Args:
        carrier: Their carrier.
    """

    def __init__(self, carrier: Asterisk) -> None:
        self._carrier = carrier
        self._capture: RtpCapture | None = None

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

    async def press(self, number: str, keys: str) -> None:
        """Press keys now.

        Raises:
            AssertionError: This person is in no call.
        """
        (channel, *_) = await self._channels(number)
        for key in keys:
            await self._carrier.ami("PlayDTMF", {"Channel": channel, "Digit": key, "Duration": "120"})
            await asyncio.sleep(0.2)  # a person's fingers

    async def press_unanswered(self, number: str, key: str) -> None:
        """Press a key in a call that this person has made and nobody has answered.

        Raises:
            AssertionError: This person calls nobody.
        """
        (channel, *_) = await self._channels(number, "CALLER_NUMBER")
        await self._carrier.ami("PlayDTMF", {"Channel": channel, "Digit": key, "Duration": "120"})

    async def hang_up(self, number: str) -> None:
        """Be the person who hangs up."""
        for channel in await self._channels(number):
            await self._carrier.ami("Hangup", {"Channel": channel})

    def listen(self) -> None:
        """Hear what everybody hears from now on; what was heard before is forgotten.

        Raises:
            CaptureNotAllowed: Neither root nor CAP_NET_RAW.
        """
        if self._capture is None:
            self._capture = RtpCapture(self._carrier.rtp_ports)
        self._capture.start()

    def stop_listening(self) -> None:
        """Stop; costs nothing any more, and `heard` still answers."""
        if self._capture is not None:
            self._capture.stop()

    async def heard(self, number: str, since_s: float = 0) -> list[Heard]:
        """What this person heard, call by call, in the calls since a moment."""
        return [self._heard_in(call) for call in await self._calls(number, since_s)]

    async def until(self, number: str, is_so: Callable[[Heard], bool], *, timeout_s: float, since_s: float) -> Heard:
        """Wait until something is so of what a person heard in the last call.

        Raises:
            TimeoutError: It never was.
        """
        async with asyncio.timeout(timeout_s):
            while not (calls := await self._calls(number, since_s)) or not _ports(calls[-1]):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
            while not is_so(heard := self._heard_in(calls[-1])):  # noqa: ASYNC110 - packets are no event
                await asyncio.sleep(_LOOK_S)
        return heard

    async def _calls(self, number: str, since_s: float) -> list[Invite]:
        messages = await self._carrier.sip_messages()
        theirs = [call for call in invites_in(messages) if call.number == number]
        theirs += [call for call in invites_out(messages) if number in (call.from_number, call.pai_number)]
        return sorted((call for call in theirs if call.at_s >= since_s), key=lambda call: call.at_s)

    def _heard_in(self, call: Invite) -> Heard:
        assert self._capture is not None, "listen() comes first"
        self._capture.take()
        ports, until_s = _ports(call), call.ended_at_s or float("inf")
        mine = [
            packet
            for port in ports
            for packet in self._capture.packets.get(port, ())
            if call.at_s <= packet.at_s <= until_s
        ]
        return put_together(sorted(mine, key=lambda packet: packet.at_s), call.call_id)

    async def _channels(self, number: str, variable: str = "NUMBER") -> list[str]:
        found = []
        for channel in await self._carrier.channels():
            with contextlib.suppress(ManagerFailed):  # another call's, gone meanwhile
                value = await self._carrier.ami("Getvar", {"Channel": channel, "Variable": variable})
                if value.get("Value") == number:
                    found.append(channel)
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
