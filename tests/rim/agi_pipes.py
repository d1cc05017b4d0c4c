"""Asterisk's end of a process AGI's pipes."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.rim.agi_peer import Dialplan


class Pipes:
    """Asterisk at the other end of a process AGI's stdin and stdout."""

    def __init__(self, dialplan: Dialplan) -> None:
        self.dialplan = dialplan
        self.read_fd, self._to_process = os.pipe()
        self._from_process, self.write_fd = os.pipe()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def say(self, data: bytes) -> None:
        """Send something unasked."""
        os.write(self._to_process, data)

    def hang_up(self) -> None:
        """Close Asterisk's side of stdin."""
        os.close(self._to_process)
        self._to_process = -1

    def close(self) -> None:
        """End both sides."""
        os.close(self.write_fd)
        self._thread.join()
        for descriptor in (self.read_fd, self._to_process, self._from_process):
            if descriptor >= 0:
                os.close(descriptor)

    def _answer(self) -> None:
        rest = b""
        while data := os.read(self._from_process, 65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if reply := self.dialplan.reply(line.decode()):
                    os.write(self._to_process, reply)
