"""Who listens to each Asterisk over AMI: watchdog, running calls, queues and attempts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ParamSpec

from asterisk_plugin.ami.client import CALL_EVENTS, AmiClient
from asterisk_plugin.app.answering import limit_of, make_patient_detector
from asterisk_plugin.callflow.attempts import ATTEMPT_EVENTS, Attempts
from asterisk_plugin.callflow.leg_listener import LegListener
from asterisk_plugin.callflow.queue_fields import QUEUE_EVENTS
from asterisk_plugin.callflow.queue_watch import QueueWatch
from asterisk_plugin.callflow.running_calls import RunningCalls
from asterisk_plugin.callflow.running_legs import has_objection, principal_of
from asterisk_plugin.callflow.trunk_legs import Passes
from asterisk_plugin.callflow.watchdog import Watchdog
from asterisk_plugin.core.engine import is_emergency_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from asterisk_plugin.admin.observer import ServiceObserver
    from asterisk_plugin.app.node import Node
    from asterisk_plugin.audiosocket.server import SoundServer
    from asterisk_plugin.callflow.end_writer import EndWriter
    from asterisk_plugin.settings.service import AsteriskSettings

P = ParamSpec("P")


@dataclass(slots=True)
class WatchedAsterisk:
    """One Asterisk and who listens to it over AMI.

    Args:
        client: The connection; somebody has to run it.
        watchdog: Ends what has not passed the gate.
        running: Ends what rings a person who objects.
        queues: Knows who waits in its queues.
        attempts: Knows how each attempt ends.
    """

    client: AmiClient
    watchdog: Watchdog
    running: RunningCalls
    queues: QueueWatch
    attempts: Attempts

    async def close(self) -> None:
        """Stop acting on events."""
        await self.attempts.close()
        await self.queues.close()
        await self.running.close()
        await self.watchdog.close()


def watch_asterisk(
    node: Node,
    settings: AsteriskSettings,
    on_event: Callable[[str], None],
    observer: ServiceObserver,
    *,
    writer: EndWriter,
    sounds: SoundServer | None = None,
) -> WatchedAsterisk:
    """Put watchdog, running calls, queues and attempts behind one AMI connection.

    Args:
        node: This node.
        settings: The Asterisk.
        on_event: Told what to count.
        observer: Told what happens in the queues.
        writer: Writes down how attempts end, for every Asterisk of the service.
        sounds: Where the sound of answered calls comes; None: nobody listens.
    """
    gate = node.gate

    def spares(number: str) -> bool:
        return is_emergency_number(number, gate.site)  # of the site in force, also after a reload

    watchdog = Watchdog(
        settings.name,
        trunks=settings.trunks,
        store=node.store,
        ledger=node.ledger,
        clock=gate.clock,
        passes=Passes() if gate.passed is None else gate.passed,
        spares=spares,
        on_event=on_event,
    )
    running = RunningCalls(
        settings.name,
        trunks=settings.trunks,
        tag=gate.tag,
        principal_of=partial(principal_of, gate),
        holds=partial(has_objection, gate),
        spares=spares,
        on_event=on_event,
    )
    queues = QueueWatch(settings.name, gate, node.waits, observer)
    attempts = Attempts(
        settings.name,
        gate,
        trunks=settings.trunks,
        listener=None if sounds is None else LegListener(sounds, make_patient_detector),
        limit_of=partial(limit_of, gate),
        on_event=on_event,
        writer=writer,
    )
    client = AmiClient(
        settings,
        on_event=_each(watchdog.take, running.take, queues.take, attempts.take),
        on_up=_each(watchdog.up, running.up, queues.up, attempts.up),
        on_down=_each(watchdog.down, attempts.down),
        events=(*CALL_EVENTS, *QUEUE_EVENTS, *ATTEMPT_EVENTS),
    )
    for listener in (watchdog, running, queues, attempts):
        listener.attach(client)
    attempts.down()  # the wait for a connection is bounded from the start
    return WatchedAsterisk(client, watchdog, running, queues, attempts)


def _each(*listeners: Callable[P, None]) -> Callable[P, None]:
    """Several listeners as one; a fault of one does not keep it from the next."""

    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        with contextlib.ExitStack() as stack:
            for listener in reversed(listeners):
                stack.callback(listener, *args, **kwargs)

    return tell
