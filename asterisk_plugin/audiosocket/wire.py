"""AudioSocket messages: bytes to values, pure.

Wire: one byte of kind, two of length (big-endian), then so many bytes. The first message names the call by 16 bytes, a
UUID; sound is signed, 16 bits, little-endian, 8 kHz, 20 ms a message. Source: Asterisk's documentation, "AudioSocket",
and `res_audiosocket.c`; seen so on 22.10.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from asterisk_plugin.errors import RemoteProtocolError

_HEADER = struct.Struct(">BH")
UUID_BYTES = 16


class Kind(enum.IntEnum):
    """What a message is; all others (silence, sound of another rate, errors) count for nothing here."""

    TERMINATE = 0x00
    UUID = 0x01
    DTMF = 0x03
    SOUND = 0x10


TERMINATE = _HEADER.pack(Kind.TERMINATE, 0)
"""Asks Asterisk to end AudioSocket() and go on in the dialplan."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Args:
        kind: Its first byte.
        payload: What it carries.
    """

    kind: int
    payload: bytes


class AudioSocketWire:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._named = False

    def take(self, data: bytes) -> list[Message]:
        """The messages that are complete now, in order.

        Args:
            data: What came; any number of bytes.

        Raises:
            RemoteProtocolError: The first message does not name a call: it is not Asterisk that speaks.
        """
        self._rest += data
        messages, at = [], 0
        while len(self._rest) - at >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._rest, at)
            if not self._named:
                self._check_first(kind, length)
            end = at + _HEADER.size + length
            if len(self._rest) < end:
                break
            messages.append(Message(kind, self._rest[at + _HEADER.size : end]))
            self._named, at = True, end
        self._rest = self._rest[at:]
        return messages

    @staticmethod
    def _check_first(kind: int, length: int) -> None:
        if (kind, length) != (Kind.UUID, UUID_BYTES):
            raise RemoteProtocolError(
                f"an AudioSocket connection begins with kind {kind} and {length} bytes, not with the UUID of a call"
            )
