"""FastAGI server: one asyncio protocol per connection, one task per script.

Every connection that is accepted ends with exactly one further event (`AgiEvent`). A connection
that is closed without `DECISION` having been set is a refusal: Asterisk calls it SUCCESS, so the
dialplan tests the variable, and every fault here ends in closing and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from asterisk_plugin.agi.session import AgiEvent, Session
from asterisk_plugin.agi.sockets import BACKLOG, Allowed, listen, prepare
from asterisk_plugin.core.channels import without_number
from asterisk_plugin.core.log_limit import LogLimit
from asterisk_plugin.errors import ChannelHungUp, ReplyTimeoutError
from asterisk_plugin.ports import Channel

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from asterisk_plugin.agi.channel import FastAgiChannel
    from asterisk_plugin.ports import AgiRequest
    from asterisk_plugin.settings.service import AgiSettings

log = logging.getLogger(__name__)

Script = Callable[[Channel], Awaitable[None]]
"""What runs for one request; returns when the call may go on in the dialplan."""

SHARES = {"objection": 4}
"""Scripts of which at most a fourth of all connections may be sessions: people take minutes, and while they do
the gate must answer. Who is one too many is closed at once, and the dialplan goes on to its second try."""


class AgiServer:
    """Answers FastAGI requests with scripts.

    Args:
        scripts: By the path of the URL, `attempt` for `agi://host/attempt`.
        settings: Address, limits and times.
        on_event: Called with a value of `AgiEvent` each time; must be quick and must not raise.
    """

    def __init__(
        self, scripts: Mapping[str, Script], settings: AgiSettings, *, on_event: Callable[[str], None]
    ) -> None:
        self.scripts = scripts
        self.settings = settings
        self.on_event = on_event
        self._server: asyncio.Server | None = None
        self._sessions: set[Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = dict.fromkeys(SHARES, 0)
        self._allowed = Allowed(settings.allow_from)
        self._stopping = False
        self._all_closed = asyncio.Event()
        self._unknown_scripts: set[str] = set()
        self._complaints = LogLimit()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None, "ask after start"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._sessions)

    async def start(self, sock: socket.socket | None = None) -> None:
        """Start to accept.

        Args:
            sock: A bound socket (`listen`), of which the server becomes the owner; None makes one.

        Raises:
            StartupError: The address cannot be listened on.
        """
        sock = sock or listen(self.settings)
        prepare(sock, connections=self.settings.max_connections)
        await self._allowed.look_up()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Session(self), sock=sock, backlog=BACKLOG)

    async def stop(self, drain_s: float) -> None:
        """Stop accepting, let running scripts end, then cancel them.

        Args:
            drain_s: Longest time running scripts may still take, in seconds.
        """
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            session.abort_unless_running()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=drain_s)
        if late := set(self._tasks):
            log.warning("%d sessions did not end within %s s and are cancelled", len(late), drain_s)
            for task in late:
                task.cancel()
            await asyncio.wait(late)
        # A transport that still has bytes for a peer which does not read would stay.
        for session in list(self._sessions):
            session.abort()
        if self._sessions:
            self._all_closed.clear()
            await self._all_closed.wait()
        await self._allowed.close()
        if self._server is not None:
            await self._server.wait_closed()

    def admit(self, session: Session) -> bool:
        """Count a new connection in, or say that it may not be: a stranger's, or one too many."""
        if not self._allowed.admits(session.peer):
            self.on_event(AgiEvent.REFUSED_PEER)
            self.complain(f"a connection from `{session.peer}` was refused: it is not among agi.allow_from")
            return False
        if self._stopping or len(self._sessions) >= self.settings.max_connections:
            self.on_event(AgiEvent.REFUSED_LIMIT)
            if not self._stopping:
                self.complain(f"a connection was refused: {len(self._sessions)} are open, the most allowed")
            return False
        self._sessions.add(session)
        self.on_event(AgiEvent.ACCEPTED)
        return True

    def forget(self, session: Session) -> None:
        """The connection is gone."""
        self._sessions.discard(session)
        if not self._sessions:
            self._all_closed.set()

    def run(self, session: Session, channel: FastAgiChannel) -> None:
        """Start the script that the request asks for; close when there is none."""
        name = channel.request.script
        script = self.scripts.get(name)
        if script is None:
            self._log_unknown(channel.request)
            session.finish(AgiEvent.UNKNOWN_SCRIPT)
            return
        if name in SHARES:
            if self._running[name] >= max(1, self.settings.max_connections // SHARES[name]):
                self.complain(f"script `{name}` was refused: {self._running[name]} of it run, the most allowed")
                session.finish(AgiEvent.REFUSED_SHARE)
                return
            self._running[name] += 1
        task = asyncio.get_running_loop().create_task(self._run(script, session, channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def complain(self, what: str) -> None:
        """Log a warning about a peer, unless there were many lately."""
        is_written, left_out = self._complaints.take(asyncio.get_running_loop().time())
        if left_out:
            log.warning("%d more warnings about peers were left out", left_out)
        if is_written:
            log.warning("%s", what)

    async def _run(self, script: Script, session: Session, channel: FastAgiChannel) -> None:
        event = AgiEvent.DONE
        try:
            await script(channel)
        except ChannelHungUp:
            event = AgiEvent.HUNG_UP
        except ReplyTimeoutError as exc:
            event = AgiEvent.TIMEOUT
            self.complain(
                f"script `{channel.request.script}`, channel `{without_number(channel.request.channel)}`: {exc}"
            )
        except asyncio.CancelledError:
            event = AgiEvent.TIMEOUT
            raise
        except Exception:  # the isolating boundary: one call's fault stays that call's
            event = AgiEvent.SCRIPT_ERROR
            log.exception(
                "script `%s` failed on channel `%s`, the connection is closed without an answer",
                channel.request.script,
                without_number(channel.request.channel),
            )
        finally:
            if channel.request.script in SHARES:
                self._running[channel.request.script] -= 1
            session.finish(event)

    def _log_unknown(self, request: AgiRequest) -> None:
        name = request.script[:40]
        # 64 names: who asks for more is no dialplan, and the set must not grow for ever.
        if name in self._unknown_scripts or len(self._unknown_scripts) >= 64:
            return
        self._unknown_scripts.add(name)
        log.warning(
            "%s asked for script %a, which is none of: %s (logged once)",
            request.peer,
            name,
            ", ".join(sorted(self.scripts)),
        )
