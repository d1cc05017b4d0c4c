"""What an Asterisk's own SIP socket received and sent, read from the capture file it writes.

`pjsip set logger pcap FILE` makes Asterisk write every SIP datagram at its transport layer, before
anything looks at it: an INVITE that was cancelled a millisecond later, or that no endpoint
matched, is in it too. The file opens in Wireshark. Pure: bytes in, values out.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

_FILE_HEADER_BYTES = 24
_RECORD = struct.Struct("=IIII")
_ETHERNET_BYTES = 14
_UDP = struct.Struct("!HHHH")
_FINAL = 200

MARKER = "marker-"
"""How the Call-ID of the lab's own requests begins."""


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One datagram.

    Args:
        at_s: When it was seen, seconds since the epoch.
        peer_port: UDP port of the other side.
        received: It came in; else it went out.
        text: The whole message.
    """

    at_s: float
    peer_port: int
    received: bool
    text: str

    @property
    def start(self) -> str:
        """First line: `INVITE sip:... SIP/2.0` or `SIP/2.0 180 Ringing`."""
        return self.text.split("\r\n", 1)[0]

    @property
    def method(self) -> str:
        """Method of a request, empty for a response."""
        return "" if self.start.startswith("SIP/") else self.start.split(" ", 1)[0]

    @property
    def status(self) -> int:
        """Status of a response, 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/") else 0

    def header(self, name: str) -> str:
        """Value of the first header of that name, empty when there is none."""
        head = self.text.split("\r\n\r\n", 1)[0]
        match = re.search(rf"^{re.escape(name)}[ \t]*:[ \t]*(.*?)\r?$", head, re.IGNORECASE | re.MULTILINE)
        return match[1] if match else ""


@dataclass(slots=True)
class Invite:
    """One call as the carrier saw it; times are seconds since the epoch, None when it never happened.

    Args:
        number: User part of the request URI: who was called.
        from_number: User part of the From header: the number shown.
        from_name: Display name of the From header, empty when there is none.
        pai: P-Asserted-Identity header, whole; empty when there is none.
        privacy: Privacy header; empty when there is none.
        call_id: SIP Call-ID.
        at_s: When the INVITE came.
        rang_at_s: When the carrier sent 180: the person's telephone starts to ring.
        answered_at_s: When the carrier sent 200.
        cancelled_at_s: When a CANCEL came.
        ended_at_s: When a BYE came or went.
        status: Final status the carrier sent, 0 while there is none.
        messages: Every message of the call.
    """

    number: str
    from_number: str
    from_name: str
    pai: str
    privacy: str
    call_id: str
    at_s: float
    rang_at_s: float | None = None
    answered_at_s: float | None = None
    cancelled_at_s: float | None = None
    ended_at_s: float | None = None
    status: int = 0
    messages: list[SipMessage] = field(default_factory=list, repr=False)

    @property
    def pai_number(self) -> str:
        """User part of the P-Asserted-Identity, empty when there is none."""
        return _user(self.pai)

    @property
    def lived_ms(self) -> float | None:
        """Milliseconds between INVITE and CANCEL, None when it was not cancelled."""
        return None if self.cancelled_at_s is None else (self.cancelled_at_s - self.at_s) * 1000

    def take(self, message: SipMessage) -> None:
        """Follow the call by one message."""
        self.messages.append(message)
        cseq = message.header("CSeq").upper()
        if message.method == "CANCEL":
            self.cancelled_at_s = self.cancelled_at_s or message.at_s
        elif message.method == "BYE":
            self.ended_at_s = self.ended_at_s or message.at_s
        elif cseq.endswith("INVITE") and message.status == 180:
            self.rang_at_s = self.rang_at_s or message.at_s
        elif cseq.endswith("INVITE") and message.status >= _FINAL and not self.status:
            self.status = message.status
            if message.status == _FINAL:
                self.answered_at_s = message.at_s


def read_capture(data: bytes) -> list[SipMessage]:
    """Every datagram of a finished capture file, but for the lab's own markers.

    Asterisk writes its own side's port as 0: that tells which way a datagram went.
    """
    messages = []
    offset = _FILE_HEADER_BYTES
    while offset + _RECORD.size <= len(data):
        seconds, micros, size, _ = _RECORD.unpack_from(data, offset)
        frame = data[offset + _RECORD.size : offset + _RECORD.size + size]
        offset += _RECORD.size + size
        ip_version = frame[_ETHERNET_BYTES] >> 4
        ip_bytes = (frame[_ETHERNET_BYTES] & 15) * 4 if ip_version == 4 else 40
        udp_at = _ETHERNET_BYTES + ip_bytes
        source, destination, _, _ = _UDP.unpack_from(frame, udp_at)
        text = frame[udp_at + _UDP.size :].decode("utf-8", "replace")
        messages.append(SipMessage(seconds + micros / 1e6, source or destination, destination == 0, text))
    return [message for message in messages if not message.header("Call-ID").startswith(MARKER)]


def invites_in(messages: Iterable[SipMessage]) -> list[Invite]:
    """The calls that came in, in order; repeated datagrams and re-INVITEs are no new calls."""
    return _invites(messages, received=True)


def invites_out(messages: Iterable[SipMessage]) -> list[Invite]:
    """The calls that went out, as `invites_in`."""
    return _invites(messages, received=False)


def _invites(messages: Iterable[SipMessage], *, received: bool) -> list[Invite]:
    calls: dict[str, Invite] = {}
    for message in messages:
        call_id = message.header("Call-ID")
        arrived = message.method == "INVITE" and message.received is received
        if arrived and call_id not in calls and ";tag=" not in message.header("To"):
            calls[call_id] = _begin(message, call_id)
        if call_id in calls:
            calls[call_id].take(message)
    return list(calls.values())


def _begin(message: SipMessage, call_id: str) -> Invite:
    shown = message.header("From")
    name = re.match(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<', shown)
    return Invite(
        number=_user(message.start.split(" ")[1]),
        from_number=_user(shown),
        from_name=re.sub(r"\\(.)", r"\1", (name[1] or name[2] or "")) if name else "",
        pai=message.header("P-Asserted-Identity"),
        privacy=message.header("Privacy"),
        call_id=call_id,
        at_s=message.at_s,
    )


def _user(value: str) -> str:
    match = re.search(r"sips?:([^@>;]*)@", value)
    return unquote(match[1]) if match else ""
