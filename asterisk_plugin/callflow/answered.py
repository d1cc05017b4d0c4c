"""The `answered` script: who answered, heard before anybody is connected.

It runs on the called person's leg, in a routine that Dial() starts after the answer and before it connects
(`ringfence-answered`). Rule: whoever is not certainly a machine is a person. Where nobody can listen, a person is
connected and a recorded message is not: it would be left on a machine.
"""

from __future__ import annotations

import asyncio
import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asterisk_plugin.callflow.hearing import GreetingHearing, greeting_end_s, heard_of
from asterisk_plugin.core.answering import BY_HAND, AnswerLimit, is_amd_machine, is_listened_first
from asterisk_plugin.core.attempt_end import Heard
from asterisk_plugin.core.channels import leg_key, plain_address, talk_call
from asterisk_plugin.core.site import DialMode, OnMachine
from asterisk_plugin.detection.findings import Before
from asterisk_plugin.errors import ChannelError, ChannelHungUp, StoreError
from asterisk_plugin.ports import PassedLeg

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.hearing import Detector
    from asterisk_plugin.core.site import Campaign
    from asterisk_plugin.ports import Channel, Sounds

LISTEN_S = 8.0
"""Longest time a person waits for it to be clear who answered: then it is a person."""

AMD_S = 6.0
"""`app_amd` takes 5 s at most by default."""

EVENT = "RingfenceAnswered"
"""What `callflow.attempts` hears over AMI: `Do` is `listen` when it begins, `done` when it is clear."""

_SPIED = ("PJSIP/", "SIP/")
_AMD_HUMAN = re.compile(r"HUMAN-([0-9]{1,5})-[0-9]+")
_TOKEN = re.compile(r"[0-9a-f]{32}")


class Action(enum.StrEnum):
    """What the dialplan is told, `RINGFENCE_ACTION`."""

    CONNECT = "CONNECT"
    HANGUP = "HANGUP"
    MESSAGE = "MESSAGE"


@dataclass(frozen=True, slots=True)
class Listening:
    """What answered calls are listened to with.

    Args:
        gate: This node's gate.
        sounds: Where their sound comes; None: nowhere, and `app_amd` is asked.
        make_detector: Makes a fresh one for each call.
        talk_address: `host:port` where the sound of a call goes once it is connected, to who follows the attempts;
            empty: nobody does.
        limit_of: How long a person of a campaign and country may be without an agent.
    """

    gate: Gate
    sounds: Sounds | None
    make_detector: Callable[[], Detector] | None
    talk_address: str = ""
    limit_of: Callable[[Campaign, str, dt.datetime], AnswerLimit] = lambda *_: AnswerLimit()


@dataclass(frozen=True, slots=True)
class _Answer:
    """Who answered: what, what showed it, and when that was, in seconds since the answer."""

    heard: Heard
    why: str = ""
    at_s: float = 0
    greeting_s: float | None = None
    handed_on: Before = field(default_factory=Before)
    """For whoever goes on listening."""


def unheard_action(campaign: Campaign | None) -> str:
    """What the dialplan does with an answered call when the service does not say: `RINGFENCE_LISTEN`.

    Returns:
        `connect`; `agent`, the same where an agent is on the line and need not wait for long; `hang-up` for a recorded
        message; empty when nobody is to listen.
    """
    if campaign is None or campaign.on_machine is OnMachine.OFF:
        return ""
    if campaign.dial_mode in BY_HAND:
        return "agent"
    return "hang-up" if campaign.dial_mode is DialMode.RECORDED else "connect"


async def answered(listening: Listening, channel: Channel) -> None:
    """Say whether an answered call may be connected; nothing, when nobody knows for whom it is: the dialplan decides.

    Args:
        listening: What to listen with.
        channel: The called person's leg; arguments: token, `AMDSTATUS`, `AMDCAUSE` where the dialplan ran `AMD()`.

    Raises:
        ChannelHungUp: The person has hung up.
    """
    began_s = asyncio.get_running_loop().time()
    token, status, cause, *_ = (*channel.request.arguments, "", "", "")
    leg = await _leg(listening.gate, channel)
    campaign = listening.gate.site.campaigns.get(leg.campaign)
    if campaign is None or not _TOKEN.fullmatch(token) or token != leg.attempt_id:
        return
    if status:
        answer = _amd_answer(status, cause)
    elif is_listened_first(campaign):
        await channel.tell(EVENT, {"Do": "listen"})
        answer = await _listen(listening, channel, token)
    else:
        answer = _Answer(Heard.NOT_HEARD)
    limit = listening.limit_of(campaign, leg.terms.country, listening.gate.clock())
    lasted_s = asyncio.get_running_loop().time() - began_s
    action = _action(campaign, answer, limit=limit, lasted_s=lasted_s)
    spied = action is Action.CONNECT and campaign.on_machine is not OnMachine.OFF and bool(listening.talk_address)
    # ChanSpy() takes the beginning of a name; only these technologies' are all of one length.
    if spied and channel.request.channel.startswith(_SPIED):
        spied = await channel.spy(talk_call(token), listening.talk_address)
    # To whom: of several services that watch this Asterisk one gets the sound.
    sent_to = plain_address(listening.talk_address) if spied else ""
    await channel.tell(EVENT, {**_fields(answer, action), "Spied": sent_to})
    await channel.set_variables({"RINGFENCE_ACTION": action.value}, last=True)


async def _leg(gate: Gate, channel: Channel) -> PassedLeg:
    """What this leg was let through for; with the store away, what its channel says."""
    try:
        found = await gate.store.passed_leg(leg_key(channel.request.unique_id, channel.request.channel))
    except StoreError as exc:
        gate.observer.fault("answered", exc)
        marked = await channel.evaluate("${RINGFENCE_CALLED_TOKEN}|${RINGFENCE_CAMPAIGN}")
        token, _, campaign = marked.partition("|")
        return PassedLeg(token, campaign=campaign)
    return found or PassedLeg()


def _action(campaign: Campaign, answer: _Answer, *, limit: AnswerLimit, lasted_s: float) -> Action:
    if answer.heard is Heard.MACHINE:
        return Action.HANGUP
    if campaign.dial_mode in BY_HAND:
        return Action.CONNECT
    if campaign.dial_mode is DialMode.RECORDED:
        return Action.HANGUP if answer.heard is Heard.NOT_HEARD and is_listened_first(campaign) else Action.CONNECT
    if limit.from_answer and lasted_s >= limit.within_s:  # no agent can be there in time any more
        return Action.MESSAGE if limit.message else Action.HANGUP
    return Action.CONNECT


async def _listen(listening: Listening, channel: Channel, token: str) -> _Answer:
    """Hear who answered, by our own detector or else by `app_amd`."""
    sounds, make_detector = listening.sounds, listening.make_detector
    if sounds is not None and make_detector is not None:
        hearing = GreetingHearing(make_detector(), LISTEN_S)
        sounds.expect(token, hearing)
        try:
            was_sent = await channel.send_sound(token, sounds.address, most_s=LISTEN_S + 1)
        except ChannelError as exc:
            if isinstance(exc, ChannelHungUp):
                raise
            listening.gate.observer.fault("answered", exc)
            was_sent = False
        finally:
            sounds.forget(token)
        if was_sent or hearing.heard_s:
            hearing.ended()
            found = hearing.found.result()
            if found is None:
                return _Answer(Heard.NOT_SURE, "listened-long", hearing.heard_s, handed_on=hearing.handed_on)
            return _Answer(heard_of(found), found.why.value, found.at_s, greeting_end_s(found), hearing.handed_on)
    status, cause = await channel.detect_machine(most_s=AMD_S)
    return _amd_answer(status, cause) if status else _Answer(Heard.NOT_HEARD)


def _amd_answer(status: str, cause: str) -> _Answer:
    silence = _AMD_HUMAN.fullmatch(cause)
    if status == "HUMAN" and silence:  # it tells for how long the person had been silent by then
        return _Answer(Heard.PERSON, f"amd-{cause}"[:60], int(silence[1]) / 1000, 0.0)
    return _Answer(Heard.MACHINE if is_amd_machine(status, cause) else Heard.PERSON, f"amd-{cause}"[:60])


def _fields(answer: _Answer, action: Action) -> dict[str, str]:
    return {
        "Do": "done",
        "Heard": answer.heard.value,
        "Why": re.sub(r"[^A-Za-z0-9._-]", "", answer.why),
        "At": f"{answer.at_s:.3f}",
        "Greeting": "" if answer.greeting_s is None else f"{answer.greeting_s:.3f}",
        "Action": action.value,
        "Doubt": f"{answer.handed_on.doubt_s:.3f}",
        "Spoken": f"{answer.handed_on.spoken_s:.3f}",
        "Quiet": f"{answer.handed_on.quiet_s:.3f}",
    }
