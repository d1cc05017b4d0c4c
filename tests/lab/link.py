"""A connection that can be cut and mended: what stands between a service and the PBX's AMI."""

from __future__ import annotations

import asyncio
import contextlib


class Link:
    """Carries bytes between a port of its own and another, while it is whole.

    Args:
        host: Of both ports.
        port: Where it leads.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._to = host, port
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.is_whole = True

    async def open(self) -> Link:
        """Begin to listen; `port` says where."""
        self._server = await asyncio.start_server(self._carry, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def cut(self) -> None:
        """End every connection; further ones are ended at once."""
        self.is_whole = False
        for end in tuple(self._ends):
            end.close()

    def mend(self) -> None:
        """Let connections through again."""
        self.is_whole = True

    async def close(self) -> None:
        """Listen no more."""
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_whole:
            writer.close()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._to)
        except OSError:  # nobody is there now
            writer.close()
            return
        self._ends |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._ends -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()
