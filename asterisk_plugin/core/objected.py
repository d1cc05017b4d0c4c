"""What is told to every process when a person objects."""

from __future__ import annotations

from dataclasses import dataclass

from asterisk_plugin.core.site import EVERYONE


@dataclass(frozen=True, slots=True)
class Objected:
    """An objection that was just recorded, without the number.

    Args:
        event_id: The ledger event's id, 32 hex characters.
        person: Tag of the number that must not be called.
        scope: A principal's id, or `site.EVERYONE`.
        reference: What the person can quote.
    """

    event_id: str
    person: str
    scope: str
    reference: str = ""

    def is_against(self, principal: str) -> bool:
        """Whether calls for this principal are meant; a principal nobody knows (empty) always is."""
        return self.scope in (EVERYONE, principal) or not principal
