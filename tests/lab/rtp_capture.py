"""Every RTP packet that arrives at one Asterisk's media ports, taken from the loopback interface as it passes.

Needs the right to open a packet socket: root, or CAP_NET_RAW. The kernel filters by port, so that other labs
on this machine are neither seen nor paid for.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct

from tests.lab.heard import RtpPacket, is_rtp

_IPV4 = 0x0800
_ATTACH_FILTER = 26
_TIMESTAMP_NS = 35
_BUFFER_FORCE = 33
_SOL_PACKET, _STATISTICS = 263, 6
_BUFFER_BYTES = 64 << 20
"""Eighty calls are some 5 MB a second there, and a test process on a busy machine may stand still for seconds."""
_PACKET_TYPE = 0xFFFFF004
_OUTGOING = 4
_UDP = 17
_IP_BYTES, _UDP_BYTES = 20, 8
_MOMENT = struct.Struct("@qq")


class CaptureNotAllowed(Exception):
    """This user may not open a packet socket."""


class RtpCapture:
    """The packets that reached a stretch of ports, from `start` until `stop`.

    Args:
        ports: First and last UDP port.
    """

    def __init__(self, ports: tuple[int, int]) -> None:
        self.packets: dict[int, list[RtpPacket]] = {}
        """By port, in order of arrival."""
        self.lost = 0
        """How many the kernel could not keep until they were taken: holes that nobody heard."""
        self._ports = ports
        self._socket: socket.socket | None = None

    @property
    def is_running(self) -> bool:
        """Packets are being taken."""
        return self._socket is not None

    def start(self) -> None:
        """Begin anew; what was taken before is forgotten.

        Raises:
            CaptureNotAllowed: Neither root nor CAP_NET_RAW.
        """
        self.stop()
        self.packets.clear()
        self.lost = 0
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        except PermissionError as exc:
            raise CaptureNotAllowed("hearing what a person hears needs root or CAP_NET_RAW") from exc
        _filter(sock, *self._ports)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _BUFFER_FORCE, _BUFFER_BYTES)
        except PermissionError:  # CAP_NET_RAW alone: as much as everybody may have
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
        sock.setblocking(False)
        sock.bind(("lo", _IPV4))  # only now does it receive, and only what the filter lets through
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock, self._read)

    def stop(self) -> None:
        """End; what was taken stays."""
        if self._socket is not None:
            self._read()
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def take(self) -> None:
        """Take what has arrived and was not handed over yet; after `stop` there is nothing."""
        if self._socket is not None:
            self._read()

    def _read(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data, extra, _, _ = self._socket.recvmsg(2048, 64)
            except BlockingIOError:
                break
            seconds, nanos = _MOMENT.unpack_from(extra[0][2])
            rtp = data[_IP_BYTES + _UDP_BYTES :]
            if is_rtp(rtp):
                port = int.from_bytes(data[_IP_BYTES + 2 : _IP_BYTES + 4])
                self.packets.setdefault(port, []).append(RtpPacket(seconds + nanos / 1e9, port, rtp))
        _, lost = struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))  # since the last look
        self.lost += lost


def _filter(sock: socket.socket, first: int, last: int) -> None:
    """Let only UDP to these ports through, and of the loopback's two sights of a packet only its arrival."""
    program = b"".join(
        struct.pack("=HBBI", *line)
        for line in (
            (0x30, 0, 0, 9),
            (0x15, 0, 6, _UDP),
            (0x28, 0, 0, _IP_BYTES + 2),
            (0x35, 0, 4, first),
            (0x25, 3, 0, last),
            (0x30, 0, 0, _PACKET_TYPE),
            (0x15, 1, 0, _OUTGOING),
            (0x06, 0, 0, 0x40000),
            (0x06, 0, 0, 0),
        )
    )
    lines = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(lines)))
