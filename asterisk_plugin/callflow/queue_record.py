"""What the watch over queues writes down: who came unseen, how each wait ended, who was called back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.callflow.queue_evidence import called_back_event, joined_event, left_event
from asterisk_plugin.core.waiting import Left
from asterisk_plugin.errors import LedgerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.queue_calls import WaitingCall
    from asterisk_plugin.callflow.queue_observing import QueueObserver
    from asterisk_plugin.ports import Event


class QueueRecord:
    """Evidence and metrics of waits, as far as AMI tells of them.

    Args:
        gate: Site, ledger, clock and secret.
        observer: Metrics.
    """

    def __init__(self, gate: Gate, observer: QueueObserver) -> None:
        self._gate = gate
        self._observer = observer

    def joined(self, call: WaitingCall) -> None:
        """One who came while no service answered; who is written down already is recorded once."""
        if call.is_placeholder:
            return
        configured = self._gate.site.queues.get(call.queue)
        principal = configured.principal.id if configured else ""
        self._write(joined_event(call.wait, queue=call.queue, principal=principal, at=call.since))

    def left(self, call: WaitingCall, how: Left, *, agent: str = "", wish: str = "") -> None:
        """How a wait ended; only the first end of each counts."""
        if call.ended:
            return
        call.ended = True
        if call.is_placeholder:
            return
        now = self._gate.clock()
        waited_s = (now - call.since).total_seconds()
        self._observer.queue_left(call.queue, wait=call.wait, how=how, waited_s=waited_s)
        self._write(
            left_event(
                call.wait,
                secret=self._gate.secret,
                queue=call.queue,
                at=now,
                how=how,
                waited_s=waited_s,
                # An agent's answer is what answers the call: the state says so a moment later.
                charged_from=call.charged_from or (now if how is Left.ANSWERED else None),
                agent=agent,
                wish=wish,
            )
        )

    def called_back(self, fields: Mapping[str, str]) -> None:
        """An agent has taken the place of one who wished to be called back, and the gate has decided.

        Args:
            fields: The dialplan's `RingfenceCallBack`.
        """
        self._write(
            called_back_event(
                fields.get("Id", ""),
                secret=self._gate.secret,
                queue=fields.get("Queue", ""),
                at=self._gate.clock(),
                decision=fields.get("Decision", ""),
                reason=fields.get("Reason", ""),
                dial_status=fields.get("DialStatus", ""),
            )
        )

    def _write(self, event: Event) -> None:
        try:
            self._gate.ledger.submit(event, patient=True)
        except LedgerUnavailableError as exc:
            self._gate.observer.fault("queue", exc)
