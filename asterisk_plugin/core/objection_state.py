"""Values of the objection line: what is offered, what happens, what to do, and how far one person is."""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass, field, replace

from asterisk_plugin.core.number import LineType, PhoneNumber, parse_received
from asterisk_plugin.core.objection_tree import Move, Phase
from asterisk_plugin.core.site import EVERYONE

MOST_EVENTS = 200
"""Keys and silences one person gets: an entry of two numbers with corrections needs about eighty."""

LONGEST_S = 300
"""The call ends politely after so long."""

MOST_OTHER_NUMBERS = 2
"""So many numbers, beside the one that is known, are taken in one call: a household has a second line and a
mobile, and whoever wants to cut others off from being called must call again for every two."""

MOST_REFUSALS = 3
"""So often recording may fail in one call before the person is sent to the number to call."""

LONGEST_DIGITS = 20
"""Digits of an entered number: E.164 has 15, and no country's international prefix has more than five."""

NOT_ENTERABLE = frozenset({LineType.EMERGENCY, LineType.SHORT})
"""Line types that nobody calls for a campaign, so nobody can object for them."""

_OF_A_NUMBER = frozenset({Move.DIGIT, Move.IGNORE})


class Certainty(enum.StrEnum):
    """How well it is known that the number belongs to the person who objects."""

    CALLED = "called"  # the number we called
    CALLER_ID = "caller-id"  # as shown by the network when the person called back
    ENTERED = "entered"  # entered, read back, confirmed
    UNCONFIRMED = "unconfirmed"  # entered and not confirmed; in doubt it counts
    STATED = "stated"  # told to an agent or an admin


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one person is offered; nothing of it changes during the call.

    Args:
        principal_id: For whom the person was called: the scope of key 1.
        company_name: Prompt that says the principal's name, `company-linde`.
        centre_name: Prompt that says the call centre's name, `centre-rufwerk`.
        number: The person's number; None when it is withheld or unusable.
        certainty: How well `number` is known.
        person_available: Key 0 reaches somebody.
        home_country: ISO 3166-1 alpha-2; entered numbers are read as dialled there.
        call_back: Number told when nothing could be recorded, E.164 or digits; empty when there is none.
        path: How the person got here: `call-end`, `queue`, `agent`, `transfer`, `abandoned`, `call-back`
            or `waiting`.
        timeout_s: Silence after which nobody is taken to be there, or a number to be complete.
        tries: So many failures in a row end the call.
    """

    principal_id: str
    company_name: str
    centre_name: str
    number: PhoneNumber | None
    certainty: str
    person_available: bool
    home_country: str
    call_back: str
    path: str
    timeout_s: float
    tries: int


@dataclass(frozen=True, slots=True)
class Key:
    """A pressed key, one of `0123456789*#`; any other is not an option anywhere."""

    key: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing was pressed for as long as the last `Listen` said."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The last `Record` is durable.

    Args:
        reference: Seven digits the person can quote.
    """

    reference: str


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """The last `Record` is held nowhere durably."""


@dataclass(frozen=True, slots=True)
class HungUp:
    """The person has hung up; nothing can be said any more."""


Event = Key | Silence | Recorded | NotRecorded | HungUp


@dataclass(frozen=True, slots=True)
class Say:
    """Play prompts one after another.

    Args:
        prompts: Names of `core/prompts.py` and of the site's own prompts, without folder.
        keys: Keys that cut it. The key is the next event, and what follows this `Say` is dropped.
    """

    prompts: tuple[str, ...]
    keys: str


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for a key; the next event is `Key` or, after so many seconds, `Silence`."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Record:
    """Record an objection durably; the next event is `Recorded` or `NotRecorded`.

    Args:
        scope: Id of a principal, or `*` for everyone this call centre calls for.
        number: Whose objection.
        certainty: How well it is known that the number is the person's own.
    """

    scope: str
    number: PhoneNumber
    certainty: str


@dataclass(frozen=True, slots=True)
class End:
    """The menu is over.

    Args:
        result: `RECORDED`, `NONE`, `FAILED` (a wish was not recorded) or `PERSON` (give the person to somebody
            who can talk).
    """

    result: str


Action = Say | Listen | Record | End


class Then(enum.StrEnum):
    """What follows once it is known whether a recording is durable."""

    TELL = "tell"
    CLOSE = "close"
    PERSON = "person"
    NOTHING = "nothing"  # the person has hung up


@dataclass(frozen=True, slots=True)
class Subject:
    """A number an objection is about, and how well it is known to be the person's own."""

    number: PhoneNumber
    certainty: str


@dataclass(frozen=True, slots=True)
class Told:
    """The last objection that was recorded, as the person is told."""

    subject: Subject
    scope: str
    reference: str


@dataclass(frozen=True, slots=True)
class State:
    """How far one person is.

    Args:
        offer: What is offered.
        phase: Where the person is.
        wish: Scope of an objection that was asked for and is not recorded; empty when there is none.
        digits: What has been entered of a number.
        subject: The number that waits for a confirmation, is being recorded, or could not be.
        told: The last objection recorded.
        recorded: (E.164, scope) of every objection recorded in this call.
        then: What follows the recording under way.
        typed: Keys pressed while it was under way.
        moves: What was asked for by key or silence, in order, in words that give no digit of a number away.
        failures: Failures in a row.
        refusals: Recordings that failed.
        events_left: Keys and silences the person still has.
        ends_at: When the call ends politely; None before the first event.
        is_spent: Events or time are used up: what was asked for is still recorded, nothing is asked any more.
    """

    offer: Offer
    phase: Phase = Phase.MENU
    wish: str = ""
    digits: str = ""
    subject: Subject | None = None
    told: Told | None = None
    recorded: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    then: Then = Then.TELL
    typed: str = ""
    moves: tuple[str, ...] = ()
    failures: int = 0
    refusals: int = 0
    events_left: int = MOST_EVENTS
    ends_at: dt.datetime | None = None
    is_spent: bool = False

    @property
    def known(self) -> Subject | None:
        """The number the person did not need to enter, None when there is none."""
        number = self.offer.number
        return Subject(number, self.offer.certainty) if number else None

    @property
    def standing(self) -> Subject | None:
        """A complete number that was entered and neither confirmed nor taken back; None when there is none."""
        if self.phase is Phase.CONFIRM and self.subject:
            return Subject(self.subject.number, self._own(self.subject.number, Certainty.UNCONFIRMED))
        if self.phase is Phase.ENTER:
            return self.entered(Certainty.UNCONFIRMED)
        return None

    @property
    def may_enter_another(self) -> bool:
        """Whether one more number than the known one may be entered in this call."""
        own = {self.offer.number.e164} if self.offer.number else set()
        return len({number for number, _ in self.recorded} - own) < MOST_OTHER_NUMBERS

    @property
    def result(self) -> str:
        """What `End` says when the menu is over now."""
        if self.wish and (self.refusals or not self.recorded):
            return "FAILED"
        return "RECORDED" if self.recorded else "NONE"

    def noting(self, move: Move) -> State:
        """The same with a move that was asked for; digits of a number leave no trace."""
        if move in _OF_A_NUMBER:
            return self
        return replace(self, moves=(*self.moves, move.name.lower().replace("_", "-")))

    def entered(self, certainty: str) -> Subject | None:
        """The number that the digits make, None when they make none."""
        number = parse_received(self.digits, self.offer.home_country)
        if not isinstance(number, PhoneNumber) or number.line_type in NOT_ENTERABLE:
            return None
        return Subject(number, self._own(number, certainty))

    def covers(self, number: PhoneNumber, scope: str) -> bool:
        """Whether an objection recorded in this call already holds for that."""
        return not self.recorded.isdisjoint({(number.e164, scope), (number.e164, EVERYONE)})

    def _own(self, number: PhoneNumber, certainty: str) -> str:
        """Whoever enters the number we called is as well known as before."""
        return self.offer.certainty if self.offer.number and self.offer.number.e164 == number.e164 else certainty
