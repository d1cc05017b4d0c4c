"""One AMI connection, from connect to loss, carried by panoramisk's `Manager`.

The `Manager` reads, writes and matches answers; everything it would do on its own account is
taken out of its hands. It reconnects by itself and then sends again what was never answered, so
a hang-up or an originate could reach Asterisk twice, minutes late: here one `Manager` lives for
one connection only, keeps nothing, and never reconnects. It never notices a frozen peer and never
gives up on an action: here every action has a time-out, and `client.py` pings.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from asterisk_plugin.ami.wire import MAX_MESSAGE_CHARS, Utf8Stream, checked_action, plain_fields
from asterisk_plugin.errors import ActionRefusedError, LoginRefusedError, ManagerLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Fields = Mapping[str, str]
    Listener = Callable[[Fields], None]

_LOG = logging.getLogger(__name__)

# panoramisk logs whole actions, so a login's secret too, and each loss of a connection: we log
# what matters ourselves.
_SILENT = logging.Logger(f"{__name__}.panoramisk", logging.CRITICAL + 1)


class _Everything:
    """Contains whatever one asks for: no action is ever put aside to be sent again."""

    def __contains__(self, item: object) -> bool:
        return True


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk carries no types
    """panoramisk's protocol, fed with whole characters."""

    def __init__(self, manager: _OneConnection) -> None:
        self._manager = manager
        self._text = Utf8Stream()

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.factory = self._manager
        self.log = _SILENT

    def data_received(self, data: bytes) -> None:
        text = self._text.feed(data)
        if not text or self.closed:
            return
        super().data_received(text.encode())
        if self.queue and len(self.queue[0]) > MAX_MESSAGE_CHARS:
            _LOG.warning("AMI peer sent %d characters that are no message", len(self.queue[0]))
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._manager.connection_lost(exc)


class _OneConnection(Manager):  # type: ignore[misc]  # panoramisk carries no types
    """panoramisk's manager with its own reconnecting, pinging and remembering taken out."""

    def __init__(self, host: str, port: int) -> None:
        self.lost = asyncio.Event()
        super().__init__(
            host=host,
            port=port,
            loop=asyncio.get_running_loop(),
            protocol_factory=lambda: _Protocol(self),
            forgetable_actions=_Everything(),
            log=_SILENT,
        )

    def connection_made(self, f: asyncio.Task[Any]) -> None:
        if f.cancelled() or f.exception() is not None:
            return  # whoever awaits the task is told
        super().connection_made(f)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - panoramisk's signature
        self._connected = False
        self.lost.set()

    def ping(self) -> None:
        """Nothing: an unanswered ping of panoramisk is noticed by nobody and kept for ever."""

    async def send_awaiting_actions(self, *_: object) -> None:
        """Nothing: see `_Everything`."""


class Connection:
    """One logged-in AMI connection.

    Args:
        host: Address of the Asterisk.
        port: Its AMI port.
        listener: Called with each event's fields, in order, from the event loop.
        events: Names of the events the listener wants.
    """

    def __init__(self, host: str, port: int, *, listener: Listener, events: Sequence[str]) -> None:
        self._where = f"{host}:{port}"
        self._listener = listener
        self._manager = _OneConnection(host, port)
        for event in events:
            self._manager.register_event(event, self._heard)

    @property
    def lost(self) -> asyncio.Event:
        """Set once the connection is gone, whoever ended it."""
        return self._manager.lost

    async def open(self, *, username: str, secret: str, event_mask: str, timeout_s: float) -> None:
        """Connect and log in.

        Args:
            username: AMI user.
            secret: Its secret.
            event_mask: Classes of events to be sent, `call`; further narrowed by the user's rights.
            timeout_s: Longest wait for the connection, and again for the answer to the login.

        Raises:
            ManagerLostError: Nobody there, or no answer in time.
            LoginRefusedError: Wrong user or secret, or an address that is not permitted.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._manager.connect()
        except (OSError, TimeoutError) as exc:
            reason = "no answer" if isinstance(exc, TimeoutError) else exc.strerror or str(exc)
            raise ManagerLostError(f"cannot connect to AMI at `{self._where}`: {reason}") from exc
        login = {"Username": username, "Secret": secret, "Events": event_mask}
        try:
            await self.request("Login", login, timeout_s)
        except ActionRefusedError as exc:
            raise LoginRefusedError(
                f"AMI at `{self._where}` refused user `{username}`: check name, secret and permitted "
                "addresses in manager.conf"
            ) from exc

    async def request(self, name: str, fields: Fields, timeout_s: float) -> list[dict[str, str]]:
        """Send one action, once, and wait for its answer.

        Args:
            name: The action, `CoreShowChannels`.
            fields: Its fields; must hold no line breaks.
            timeout_s: Longest wait for the whole answer.

        Returns:
            The response, then the events of a list action.

        Raises:
            LocalProtocolError: A field that must not be sent; nothing was sent.
            ActionRefusedError: `Response: Error`, with Asterisk's own message.
            ManagerLostError: Not connected, the connection ended, or no answer in time.
        """
        action = Action(checked_action(name, fields))
        if self.lost.is_set() or self._manager.protocol is None:
            raise ManagerLostError(f"AMI at `{self._where}` is not connected, `{name}` was not sent")
        future = self._manager.send_action(action)
        lost = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait({future, lost}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            self._manager.protocol.responses.pop(action.id, None)
        if not future.done():
            future.cancel()
            reason = "ended" if self.lost.is_set() else f"gave no answer in {timeout_s:g} s"
            raise ManagerLostError(f"AMI at `{self._where}` {reason} on `{name}`")
        answer = future.result()
        messages = [plain_fields(item.items()) for item in (answer if isinstance(answer, list) else [answer])]
        if messages[0].get("Response") in ("Error", "Fail", "Failure"):
            raise ActionRefusedError(_refusal(name, messages[0]))
        return messages

    def abort(self) -> None:
        """End the connection now, without waiting for the peer to agree; safe to call twice."""
        self._manager.lost.set()
        protocol = self._manager.protocol
        if protocol is not None:
            # close() lets go of pending actions; but a frozen peer never takes what is still
            # in the buffer, so only abort() frees the socket.
            protocol.close()
            protocol.transport.abort()
        self._manager.close()

    def _heard(self, _manager: object, message: Any) -> None:
        try:
            self._listener(plain_fields(message.items()))
        except Exception:  # noqa: BLE001 - the boundary: asyncio would drop the connection
            _LOG.exception("AMI event `%s` could not be taken", message.event)


def _refusal(name: str, response: Fields) -> str:
    text = response.get("Message", "no reason given")
    output = response.get("Output", "").strip()
    return f"AMI refused `{name}`: {text}" + (f": {output}" if output else "")
