"""One call on a trunk from the dialling to its end, as AMI tells of it; and what it comes to."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.core.answering import BY_HAND, AnswerLimit
from asterisk_plugin.core.attempt_end import AttemptEnd, Heard, Seen, outcome_of
from asterisk_plugin.core.site import DialMode
from asterisk_plugin.ports import CallTerms, PassedLeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from asterisk_plugin.core.site import Campaign


AGENT_SLACK_S = 0.25
UNHEARD_DUE_S = 8.0
"""A call without agent that lasted so long was silent, although nobody knew when its greeting was over."""


@dataclass(slots=True)
class Mute:
    """Whether our side of a leg is silent.

    Args:
        is_wanted: It should be.
        may_be_on: It is, or nobody knows.
        times: So often it was begun.
        since_s: When it was last begun while it was not wanted, by the clock of the event loop.
        is_at_work: Asterisk is being told.
    """

    is_wanted: bool = False
    may_be_on: bool = False
    times: int = 0
    since_s: float = 0.0
    is_at_work: bool = False


@dataclass(slots=True)
class CallTrack:
    """A call that runs; changes as events come. Times are seconds since `began_at`, those since the answer say so.

    Args:
        unique_id: Asterisk's.
        channel: Name of the leg.
        began_at: When it began to dial.
        leg: What it dials for; None while that is not known.
        rang_s: First ringing.
        answered_s: Answer.
        listened_first: The dialplan asks who answered before it connects.
        heard: Who answered.
        heard_why: What showed it.
        heard_s: When, since the answer.
        greeting_s: End of the greeting, since the answer.
        agent_s: An agent came, since the answer.
        due_s: By then an agent had to be there, since the answer; None: nobody waits for one.
        message_s: The message of an abandoned call began, since the answer.
        dial_status: How dialling ended.
        is_sure: Nothing of it was missed.
        mute: Whether our side is silent.
    """

    unique_id: str
    channel: str
    began_at: dt.datetime
    leg: PassedLeg | None = None
    rang_s: float | None = None
    answered_s: float | None = None
    listened_first: bool = False
    heard: Heard = Heard.NOT_HEARD
    heard_why: str = ""
    heard_s: float | None = None
    greeting_s: float | None = None
    agent_s: float | None = None
    due_s: float | None = None
    message_s: float | None = None
    dial_status: str = ""
    is_sure: bool = True
    mute: Mute = field(default_factory=Mute)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    is_heard: bool = False
    """Somebody listens to it, or has."""
    has_ended: bool = False
    is_taken: bool = False
    """It is kept as a running call: nobody else need look for its end."""

    def since(self, now: dt.datetime) -> float:
        """Seconds from its beginning to a moment."""
        return max(0.0, round((now - self.began_at).total_seconds(), 3))

    def since_answer(self, now: dt.datetime) -> float:
        """Seconds from the answer to a moment; 0 while nobody has answered."""
        return 0.0 if self.answered_s is None else max(0.0, round(self.since(now) - self.answered_s, 3))

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        """Do something after so many seconds, unless it has ended by then."""
        self.timers.append(asyncio.get_running_loop().call_later(max(0.0, delay_s), work))

    def take_over(self, dial_status: str, *, ended_at: dt.datetime, answered_s: int) -> None:
        """Take in what the dialplan told of the end, where nobody saw more.

        Args:
            dial_status: `DIALSTATUS`.
            ended_at: When it told.
            answered_s: So long it talked.
        """
        if self.answered_s is None and dial_status == "ANSWER":
            self.answered_s = max(0.0, round(self.since(ended_at) - answered_s, 3))
        self.dial_status = self.dial_status or dial_status

    def end(self) -> None:
        """Wait for nothing any more."""
        self.has_ended = True
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


_KEPT = (
    *("unique_id", "channel", "rang_s", "answered_s", "listened_first", "heard", "heard_why", "heard_s", "greeting_s"),
    *("agent_s", "due_s", "message_s", "dial_status", "is_sure"),
)


def text_of(track: CallTrack) -> str:
    """A running call as text, for a service that is restarted."""
    values = {name: getattr(track, name) for name in _KEPT}
    leg = None if track.leg is None else asdict(track.leg)
    mute = {"mute": True} if track.mute.may_be_on else {}
    return json.dumps({**values, **mute, "began_at": track.began_at.isoformat(), "leg": leg}, separators=(",", ":"))


def track_of(text: str) -> CallTrack:
    """Read a running call back.

    Raises:
        KeyError, TypeError, ValueError: It was written by something else.
    """
    values = json.loads(text)
    leg = values.pop("leg")
    if leg is not None:
        leg = PassedLeg(**{**leg, "terms": CallTerms(**leg["terms"])})
    values["heard"] = Heard(values["heard"])
    values["mute"] = Mute(may_be_on=bool(values.get("mute")))
    return CallTrack(**{**values, "began_at": dt.datetime.fromisoformat(values["began_at"]), "leg": leg})


def waits_for_agent(campaign: Campaign) -> bool:
    """Whether a call of a campaign is answered without an agent on the line."""
    return campaign.dial_mode not in BY_HAND and campaign.dial_mode is not DialMode.RECORDED


def due_of(track: CallTrack, limit: AnswerLimit, now_s: float) -> float:
    """When an agent must be there, in seconds since the answer.

    Args:
        track: The call.
        limit: How long a person may be without.
        now_s: Seconds since the answer; what counts where nobody has heard who answered.
    """
    return limit.due_s(track.greeting_s, now_s if track.heard_s is None else track.heard_s)


def came_in_time(track: CallTrack) -> bool:
    """Whether an agent was there before one had to be; a moment later counts too, for AMI tells of it a moment late."""
    return track.agent_s is not None and (track.due_s is None or track.agent_s <= track.due_s + AGENT_SLACK_S)


def end_of_track(
    track: CallTrack, *, asterisk: str, campaign: Campaign | None, cause: int, now: dt.datetime
) -> AttemptEnd:
    """What a call that has ended comes to.

    Args:
        track: What was seen of it.
        asterisk: Where it ran.
        campaign: Its campaign; None when the configuration does not know it any more.
        cause: Q.850 cause.
        now: When it ended, or was found to have ended.
    """
    assert track.leg is not None
    answered = track.answered_s is not None
    until_s = track.answered_s if track.answered_s is not None else track.since(now)
    talk_s = track.since_answer(now) if answered else None
    needs_agent = campaign is not None and waits_for_agent(campaign)
    seen = Seen(
        answered=answered,
        heard=track.heard,
        agent=came_in_time(track) or not needs_agent,
        message=track.message_s is not None,
        overdue=talk_s is not None and talk_s >= (UNHEARD_DUE_S if track.due_s is None else track.due_s),
        dial_status=track.dial_status,
        cause=cause,
        ring_s=None if track.rang_s is None else until_s - track.rang_s,
        ring_min_s=track.leg.terms.ring_min_s,
        is_sure=track.is_sure,
    )
    return AttemptEnd(
        attempt_id=track.leg.attempt_id,
        campaign=track.leg.campaign,
        principal=track.leg.principal,
        outcome=outcome_of(seen),
        began_at=track.began_at,
        agent=track.leg.terms.agent,
        is_sure=seen.is_sure,
        ring_s=None if seen.ring_s is None else round(seen.ring_s, 3),
        answer_s=track.answered_s,
        greeting_s=track.greeting_s,
        agent_s=track.agent_s,
        message_s=track.message_s,
        talk_s=talk_s,
        heard=track.heard,
        heard_why=track.heard_why,
        heard_s=track.heard_s,
        cause=cause,
        dial_status=track.dial_status,
        asterisk=asterisk,
    )
