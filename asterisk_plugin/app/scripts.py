"""The scripts of the dialplan contract, and the FastAGI server that runs them."""

from __future__ import annotations

import gc
import sys
from functools import partial
from typing import TYPE_CHECKING

from asterisk_plugin.agi.server import AgiServer
from asterisk_plugin.app.answering import limit_of, make_detector
from asterisk_plugin.callflow.answered import Listening, answered
from asterisk_plugin.callflow.call_back import CallBack
from asterisk_plugin.callflow.objection_line import ObjectionLine, objection
from asterisk_plugin.callflow.outbound import attempt, warm_up
from asterisk_plugin.callflow.outcome import outcome
from asterisk_plugin.callflow.pacing import pace
from asterisk_plugin.callflow.queue_announce import QueueDesk, queue, queue_wait
from asterisk_plugin.callflow.trunk import trunk

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping

    from asterisk_plugin.app.node import Node
    from asterisk_plugin.audiosocket.server import SoundServer
    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.objection_call import History
    from asterisk_plugin.callflow.objections import Objections
    from asterisk_plugin.ports import Channel
    from asterisk_plugin.settings.service import AgiSettings
    from asterisk_plugin.store.waits import Waits

_SWITCH_S = 0.0001
_GC_FIRST = 20_000  # a decision makes some hundred objects, nearly all freed by their counts


def scripts(
    gate: Gate,
    objections: Objections | None = None,
    *,
    history: History | None = None,
    waits: Waits | None = None,
    listening: Listening | None = None,
) -> Mapping[str, Callable[[Channel], Awaitable[None]]]:
    """The scripts of the dialplan contract, by name.

    Args:
        gate: Decides.
        objections: Takes them; None where nothing can be recorded, and then there is no objection line.
        history: Where the objection line looks up what it was not told; None where nothing can be.
        waits: What is known of callers who wait in queues; None where nobody speaks to them.
        listening: What answered calls are listened to with; None where nobody does.
    """
    known: dict[str, Callable[[Channel], Awaitable[None]]] = {
        "attempt": partial(attempt, gate),
        "trunk": partial(trunk, gate),
        "outcome": partial(outcome, gate),
        "pace": partial(pace, gate),
    }
    if objections is not None:
        known["objection"] = partial(objection, ObjectionLine(gate, objections, history))
    if waits is not None:
        desk = QueueDesk(gate, waits, CallBack(gate))
        known |= {"queue": partial(queue, desk), "queue-wait": partial(queue_wait, desk)}
    if listening is not None:
        known["answered"] = partial(answered, listening)
    return known


async def start_agi(
    node: Node,
    settings: AgiSettings,
    listener: socket.socket,
    on_event: Callable[[str], None],
    *,
    sounds: SoundServer | None = None,
    talk_address: str = "",
) -> AgiServer:
    """Answer FastAGI on an already bound socket, from the first call on at full speed.

    Args:
        node: This node.
        settings: How.
        listener: The socket.
        on_event: Told what to count.
        sounds: Where the sound of calls comes before they are connected; None: nobody listens.
        talk_address: Where it goes afterwards: to the process that follows the attempts; empty: there is none.
    """
    # The ledger's thread must not keep a decision waiting for the usual 5 ms of a thread switch.
    sys.setswitchinterval(_SWITCH_S)
    # What was loaded stays: the collector need not walk number plans and rulebooks again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_FIRST, 20, 50)
    warm_up(node.gate.site, node.gate.clock())
    listening = Listening(
        node.gate,
        sounds,
        make_detector if sounds else None,
        talk_address,
        limit_of=partial(limit_of, node.gate),
    )
    known = scripts(node.gate, node.objections, history=node.ledger, waits=node.waits, listening=listening)
    server = AgiServer(known, settings, on_event=on_event)
    await server.start(listener)
    return server
