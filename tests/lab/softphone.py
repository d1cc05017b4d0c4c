"""An agent's telephone: SIP over UDP, small enough to read, free enough to misbehave.

It places calls with any caller name and any dialled number, also such as no telephone would send, hears
nothing and says nothing (no RTP), presses keys by SIP INFO, and transfers by REFER.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.lab.wire_record import SipMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_S = 0.15

_SDP = (
    "v=0\r\no=phone 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


@dataclass(slots=True)
class PhoneCall:
    """One call of a softphone.

    Args:
        phone: The telephone that made it.
        uri: Request URI.
        call_id: SIP Call-ID.
        tag: Our From tag.
        shown: From header without tag.
        final: Set to the final status of the INVITE.
        ringing: Done at the first 180.
        ended: Done when either side ended the call.
        transfer: Set to the last status the PBX reported about a REFER.
    """

    phone: Softphone
    uri: str
    call_id: str
    tag: str
    shown: str
    final: asyncio.Future[int]
    ringing: asyncio.Future[None]
    ended: asyncio.Future[None]
    transfer: asyncio.Future[int]
    to: str = ""
    branch: str = ""
    cseq: int = 1
    statuses: list[int] = field(default_factory=list)

    async def answered(self, timeout_s: float = 10) -> None:
        """Wait until the other side answers.

        Raises:
            AssertionError: It was refused.
            TimeoutError: Nothing final came in time.
        """
        status = await asyncio.wait_for(asyncio.shield(self.final), timeout_s)
        assert status == 200, f"call was refused with {status}"

    async def hang_up(self) -> None:
        """End the call in the way its state asks for: CANCEL while it is not answered, else BYE."""
        if self.ended.done():
            return
        if self.final.done():
            self.phone.request(self, "BYE")
        else:
            self.phone.send(self, "CANCEL", branch=self.branch, cseq=1, to=f"<{self.uri}>")
        await asyncio.wait_for(asyncio.shield(self.ended), 30)

    async def press(self, keys: str) -> None:
        """Press keys one after the other, as fast as a person can; by SIP INFO."""
        for key in keys:
            body = f"Signal={key}\r\nDuration=80\r\n"
            self.phone.request(self, "INFO", {"Content-Type": "application/dtmf-relay"}, body)
            await asyncio.sleep(_KEY_S)

    def blind_transfer(self, number: str) -> None:
        """Send the other party to `number` (REFER); `transfer` tells what came of it."""
        refer_to = f"<sip:{number}@{self.phone.pbx[0]}:{self.phone.pbx[1]}>"
        self.phone.request(self, "REFER", {"Refer-To": refer_to, "Referred-By": self.shown})

    def attended_transfer(self, other: PhoneCall) -> None:
        """Connect the other party of this call with that of `other` (REFER with Replaces)."""
        to_tag = re.search(r";tag=([^;>\s]+)", other.to)
        assert to_tag, "the other call has no dialog yet"
        replaces = f"{other.call_id}%3Bto-tag%3D{to_tag[1]}%3Bfrom-tag%3D{other.tag}"
        refer_to = f"<{other.uri}?Replaces={replaces}>"
        self.phone.request(self, "REFER", {"Refer-To": refer_to, "Referred-By": self.shown})


class Softphone(asyncio.DatagramProtocol):
    """A telephone at one loopback address.

    Args:
        user: User in its From header: how the PBX knows it.
        pbx: Host and port of the PBX.
        host: Address it speaks from.
    """

    def __init__(self, user: str, pbx: tuple[str, int], host: str = "127.0.0.3") -> None:
        self.user = user
        self.pbx = pbx
        self.host = host
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._calls: dict[str, PhoneCall] = {}

    async def open(self) -> Softphone:
        """Take a free port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
        self.port = int(self._transport.get_extra_info("sockname")[1])
        return self

    async def close(self) -> None:
        """Hang up what still runs and give the port back."""
        for call in list(self._calls.values()):
            if not call.ended.done():
                await call.hang_up()
        if self._transport is not None:
            self._transport.close()

    def call(
        self, number: str, *, name: str = "", caller_id: str = "", headers: Mapping[str, str] | None = None
    ) -> PhoneCall:
        """Dial.

        Args:
            number: User part of the request URI, as it goes on the wire: percent escapes are yours to write.
            name: Display name between quotes, as it goes on the wire: escapes are yours to write.
            caller_id: Sent as P-Asserted-Identity when given; the From user is always `user`.
            headers: Further headers.
        """
        loop = asyncio.get_running_loop()
        shown = f"<sip:{self.user}@{self.pbx[0]}>"
        call = PhoneCall(
            phone=self,
            uri=f"sip:{number}@{self.pbx[0]}:{self.pbx[1]}",
            call_id=uuid.uuid4().hex,
            tag=uuid.uuid4().hex[:8],
            shown=f'"{name}" {shown}' if name else shown,
            final=loop.create_future(),
            ringing=loop.create_future(),
            ended=loop.create_future(),
            transfer=loop.create_future(),
            branch=f"z9hG4bK{uuid.uuid4().hex}",
        )
        self._calls[call.call_id] = call
        extra = {"Content-Type": "application/sdp", **(headers or {})}
        if caller_id:
            extra["P-Asserted-Identity"] = f"<sip:{caller_id}@{self.pbx[0]}>"
        to = f"<{call.uri}>"
        self.send(call, "INVITE", extra, _SDP.format(host=self.host), branch=call.branch, cseq=1, to=to)
        return call

    def request(self, call: PhoneCall, method: str, extra: Mapping[str, str] | None = None, body: str = "") -> None:
        """Send a request inside a call."""
        call.cseq += 1
        branch = f"z9hG4bK{uuid.uuid4().hex}"
        self.send(call, method, extra, body, branch=branch, cseq=call.cseq, to=call.to)

    def send(
        self,
        call: PhoneCall,
        method: str,
        extra: Mapping[str, str] | None = None,
        body: str = "",
        *,
        branch: str,
        cseq: int,
        to: str,
    ) -> None:
        """Put one request on the wire."""
        here = f"{self.host}:{self.port}"
        lines = [
            f"{method} {call.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};rport;branch={branch}",
            "Max-Forwards: 70",
            f"From: {call.shown};tag={call.tag}",
            f"To: {to}",
            f"Call-ID: {call.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{self.user}@{here}>",
            *(f"{key}: {value}" for key, value in (extra or {}).items()),
            f"Content-Length: {len(body.encode())}",
        ]
        self._put("\r\n".join((*lines, "", body)))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Handle whatever the PBX sends."""
        message = SipMessage(0, addr[1], True, data.decode("utf-8", "replace"))
        call = self._calls.get(message.header("Call-ID"))
        if call is None:
            return
        if message.method:
            self._on_request(call, message)
        else:
            self._on_response(call, message)

    def _on_request(self, call: PhoneCall, message: SipMessage) -> None:
        if message.method != "ACK":
            names = ("Via", "From", "To", "Call-ID", "CSeq")
            answer = ["SIP/2.0 200 OK", *(f"{name}: {message.header(name)}" for name in names)]
            body = _SDP.format(host=self.host) if message.method == "INVITE" else ""
            answer.append(f"Contact: <sip:{self.user}@{self.host}:{self.port}>")
            if body:
                answer.append("Content-Type: application/sdp")
            self._put("\r\n".join((*answer, f"Content-Length: {len(body)}", "", body)))
        if message.method == "BYE":
            _done(call.ended, None)
        elif message.method == "NOTIFY" and (status := re.search(r"SIP/2\.0 ([2-6]\d\d)", message.text)):
            _done(call.transfer, int(status[1]))

    def _on_response(self, call: PhoneCall, message: SipMessage) -> None:
        cseq = message.header("CSeq")
        if cseq.endswith("INVITE"):
            call.statuses.append(message.status)
            if message.status == 180:
                _done(call.ringing, None)
            if message.status >= 200:
                call.to = message.header("To")
                fresh = message.status == 200
                branch = f"z9hG4bK{uuid.uuid4().hex}" if fresh else call.branch
                self.send(call, "ACK", branch=branch, cseq=int(cseq.split()[0]), to=call.to)
                _done(call.final, message.status)
                if not fresh:
                    _done(call.ended, None)
        elif cseq.endswith("BYE"):
            _done(call.ended, None)
        elif cseq.endswith("REFER") and message.status >= 300:
            _done(call.transfer, message.status)

    def _put(self, text: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(text.encode("utf-8", "surrogateescape"), self.pbx)


def _done(future: asyncio.Future, value: object) -> None:  # type: ignore[type-arg]
    if not future.done():
        future.set_result(value)
