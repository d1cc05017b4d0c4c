"""The AMI client: one Asterisk, kept connected.

Wire behaviour that this rests on (Asterisk 22.10): the login's `Events: call` leaves out VarSet,
Newexten, RTCP and the like, which are most of the traffic; with it no `FullyBooted` is sent (that
is of class `system`), so a successful login is what counts as up. A login that comes while
Asterisk still starts finds no channels, and hears of each as it comes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asterisk_plugin.ami.connection import Connection
from asterisk_plugin.errors import ActionRefusedError, LoginRefusedError, ManagerLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asterisk_plugin.settings.service import AsteriskSettings

    Fields = Mapping[str, str]

EVENT_MASK = "call,agent,user"
"""Classes of events; of those that the user has no right to read, Asterisk sends none."""

CALL_EVENTS = ("Newchannel", "Newstate", "DialBegin", "Hangup")
"""What the watchdog needs; an `eventfilter` in manager.conf may keep Asterisk to these and the queues'."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
REFUSED_PAUSE_S = 30.0  # a wrong secret does not mend itself; hammering fills Asterisk's log

_LOG = logging.getLogger(__name__)


def _ignore() -> None:
    """Nobody asked to be told."""


class AmiClient:
    """Stays connected to one Asterisk until cancelled, and sends actions to it.

    Args:
        settings: Address, user, secret, ping times.
        on_event: Called with each event's fields (names as Asterisk writes them), in order; must not wait.
        on_up: Called after each successful login; an event that came with the login's answer comes first.
        on_down: Called when a connection that was up is gone.
        refused_pause_s: Pause after a refused login, in seconds.
        events: Names of the events to hand on.
    """

    def __init__(
        self,
        settings: AsteriskSettings,
        *,
        on_event: Callable[[Fields], None],
        on_up: Callable[[], None] = _ignore,
        on_down: Callable[[], None] = _ignore,
        refused_pause_s: float = REFUSED_PAUSE_S,
        events: Sequence[str] = CALL_EVENTS,
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._on_up = on_up
        self._on_down = on_down
        self._refused_pause_s = refused_pause_s
        self._events = events
        self._connection: Connection | None = None
        self._last_fault = ""

    @property
    def name(self) -> str:
        """The Asterisk's name in the settings."""
        return self._settings.name

    @property
    def up(self) -> bool:
        """Connected, logged in, and answering as far as is known."""
        return self._connection is not None

    async def run(self) -> None:
        """Connect, and again after each loss, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                fault = await self._connect_and_watch()
                pause_s = FIRST_PAUSE_S
            except LoginRefusedError as exc:
                fault = str(exc)
                pause_s = self._refused_pause_s
            except ManagerLostError as exc:
                fault = str(exc)
            if fault != self._last_fault:  # once, not at every try
                self._last_fault = fault
                _LOG.warning("AMI of %s is down: %s", self.name, fault)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def send_action(self, name: str, fields: Mapping[str, str], timeout_s: float) -> list[dict[str, str]]:
        """Send one action, at most once: it is never repeated, not even after a reconnect.

        Args:
            name: The action, `Hangup`.
            fields: Its fields; must hold no line breaks.
            timeout_s: Longest wait for the whole answer.

        Returns:
            The response, then the events of a list action.

        Raises:
            LocalProtocolError: A field that must not be sent; nothing was sent.
            ActionRefusedError: `Response: Error`, with Asterisk's own message.
            ManagerLostError: Not connected, the connection ended, or no answer in time: whether
                Asterisk acted is not known.
        """
        if self._connection is None:
            raise ManagerLostError(f"AMI of `{self.name}` is not connected, `{name}` was not sent")
        return await self._connection.request(name, fields, timeout_s)

    async def _connect_and_watch(self) -> str:
        """One connection from start to end; returns why one that was up is gone."""
        settings = self._settings
        connection = Connection(settings.host, settings.port, listener=self._on_event, events=self._events)
        try:
            await connection.open(
                username=settings.username,
                secret=settings.secret.get_secret_value(),
                event_mask=EVENT_MASK,
                timeout_s=settings.ping_timeout_s,
            )
            self._connection = connection
            self._last_fault = ""
            _LOG.info("AMI of %s is up", self.name)
            self._tell(self._on_up)
            return await self._watch(connection)
        finally:
            connection.abort()
            if self._connection is not None:
                self._connection = None
                self._tell(self._on_down)

    async def _watch(self, connection: Connection) -> str:
        """Ping until the connection is lost or a ping stays unanswered: the peer is frozen then."""
        settings = self._settings
        while True:
            try:
                async with asyncio.timeout(settings.ping_s):
                    await connection.lost.wait()
            except TimeoutError:
                try:
                    await connection.request("Ping", {}, settings.ping_timeout_s)
                except ActionRefusedError:
                    continue  # any answer proves life
                except ManagerLostError as exc:
                    return str(exc)
            else:
                return f"AMI at `{settings.host}:{settings.port}` closed the connection"

    def _tell(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - the boundary: a listener's bug must not end the watch
            _LOG.exception("AMI of %s: listener failed", self.name)
