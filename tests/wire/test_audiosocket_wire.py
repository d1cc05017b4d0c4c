"""AudioSocket's bytes: cut anywhere, and from somebody who is not Asterisk."""

from __future__ import annotations

import struct
import uuid

import pytest

from asterisk_plugin.audiosocket.wire import AudioSocketWire, Kind, Message
from asterisk_plugin.errors import RemoteProtocolError

CALL = uuid.UUID("0123456789abcdef0123456789abcdef").bytes


def message(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


STREAM = (
    message(Kind.UUID, CALL) + message(Kind.SOUND, b"\x01\x02" * 160) + message(0x77, b"?") + message(Kind.TERMINATE)
)
MESSAGES = [
    Message(Kind.UUID, CALL),
    Message(Kind.SOUND, b"\x01\x02" * 160),
    Message(0x77, b"?"),
    Message(Kind.TERMINATE, b""),
]


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_stream_may_be_cut_anywhere(at: int) -> None:
    wire = AudioSocketWire()
    assert wire.take(STREAM[:at]) + wire.take(STREAM[at:]) == MESSAGES


def test_byte_by_byte_is_the_same() -> None:
    wire = AudioSocketWire()
    assert [one for place in range(len(STREAM)) for one in wire.take(STREAM[place : place + 1])] == MESSAGES


@pytest.mark.parametrize("first", [message(Kind.SOUND, b"\0\0"), message(Kind.UUID, b"short"), b"GET / HTTP/1.1\r\n"])
def test_who_does_not_name_a_call_first_is_refused(first: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="UUID"):
        AudioSocketWire().take(first)
