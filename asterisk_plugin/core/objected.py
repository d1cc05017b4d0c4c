"""What is told to every process when a person objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from asterisk_plugin.core.site import EVERYONE

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    @classmethod
    def of(cls, event_id: str, person: str, body: Mapping[str, Any]) -> Self:
        """What is told of an objection event, by its id, person and clear body."""
        return cls(event_id, person, str(body["scope"]), str(body.get("reference") or ""))

    def is_against(self, principal: str) -> bool:
        """Whether calls for this principal are meant; a principal nobody knows (empty) always is."""
        return self.scope in (EVERYONE, principal) or not principal
