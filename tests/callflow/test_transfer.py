"""Which leg is sent to the objection line, and what is said when there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from asterisk_plugin.callflow.transfer import Transferred, WatchedTrunks, person_leg, transfer
from asterisk_plugin.errors import ActionRefusedError, InputError, ManagerLostError, NoSuchCallError

TRUNKS = ("PJSIP/carrier",)
AGENT, PERSON = "PJSIP/agent17-00000001", "PJSIP/carrier-00000002"


def channel(name, bridge="", state="6"):
    return {"Event": "CoreShowChannel", "Channel": name, "BridgeId": bridge, "ChannelState": state}


CALL = (channel(AGENT, "b1"), channel(PERSON, "b1"))
STRANGERS = (channel("PJSIP/agent3-00000009", "b9"), channel("PJSIP/carrier-0000000a", "b9"))


@dataclass
class FakeManager:
    """One Asterisk: its channels, what it was told, how it fails."""

    channels: tuple = CALL
    error: Exception | None = None
    refusal: Exception | None = None
    unread: Exception | None = None
    redirected: list = field(default_factory=list)
    marks: dict = field(default_factory=lambda: {PERSON: "31612345001"})

    async def send_action(self, name, fields, timeout_s):
        if self.error:
            raise self.error
        if name == "CoreShowChannels":
            return [{"Response": "Success"}, *self.channels, {"Event": "CoreShowChannelsComplete"}]
        if name == "Getvar":
            assert fields["Variable"] == "RINGFENCE_CALLED"
            if self.unread:
                raise self.unread
            return [{"Response": "Success", "Value": self.marks.get(fields["Channel"], "")}]
        if self.refusal:
            raise self.refusal
        self.redirected.append((name, dict(fields)))
        return [{"Response": "Success"}]


def at(manager, name="pbx"):
    return WatchedTrunks(name, manager, TRUNKS)


@pytest.mark.parametrize("named", [AGENT, PERSON])
async def test_the_persons_leg_goes_to_the_objection_line(named):
    """Whichever end is named; never the agent's, and always to the same place."""
    manager = FakeManager((*STRANGERS, *CALL))
    assert await transfer(named, [at(manager)]) == Transferred("pbx", PERSON)
    place = {"Context": "ringfence-objection", "Exten": "transfer", "Priority": "1"}
    assert manager.redirected == [("Redirect", {"Channel": PERSON, **place})]


@pytest.mark.parametrize(
    ("channels", "leg"),
    [
        (CALL, PERSON),
        # agent - Local;1 | Local;2 - person, as a queue or a dialer makes it
        (
            (
                *(channel(AGENT, "b1"), channel("Local/s@a-00000001;1", "b1")),
                *(channel("Local/s@a-00000001;2", "b2"), channel(PERSON, "b2")),
            ),
            PERSON,
        ),
        # the same with the halves joined by no bridge of their own
        ((channel(AGENT, "b1"), channel("Local/s@a-00000001;2", "b1"), channel(PERSON)), ""),
        ((channel(AGENT), channel(PERSON)), ""),
        ((channel(AGENT, "b1"), channel(PERSON, "b1", state="5")), ""),
        ((channel(AGENT, "b1"), channel("PJSIP/carrier-2-00000002", "b1")), ""),
        # a conference of two people: which of them is meant cannot be told
        ((*CALL, channel("PJSIP/carrier-00000003", "b1")), ""),
        # an agent who listens in on another's call over a Local channel with himself
        ((channel(AGENT, "b1"), channel("Local/x@y-1;1", "b1"), channel("Local/x@y-1;2", "b1")), ""),
    ],
)
def test_the_leg_is_found_behind_bridges_and_local_channels(channels, leg):
    """Exactly one answered leg on a trunk, or none."""
    assert person_leg(AGENT, channels, TRUNKS) == leg


def test_whoever_the_person_talks_to_is_not_looked_for_behind_them():
    """A person's own leg that is named is the one, whatever else hangs on the bridge."""
    assert person_leg(PERSON, (*CALL, channel("PJSIP/carrier-00000003", "b1")), TRUNKS) == PERSON


async def test_a_channel_that_nobody_has_is_refused_and_nothing_is_sent():
    """Only names that Asterisk itself gave are ever sent to it."""
    manager = FakeManager(STRANGERS)
    for name in ("PJSIP/agent17-00000001", "x\r\nAction: Originate"):
        with pytest.raises(NoSuchCallError):
            await transfer(name, [at(manager)])
    assert manager.redirected == []


async def test_the_asterisk_that_has_the_channel_is_used():
    """Another that is away does not matter, unless nobody has it."""
    away, here = FakeManager(error=ManagerLostError("not connected")), FakeManager()
    assert (await transfer(AGENT, [at(away, "a"), at(here, "b")])).asterisk == "b"
    with pytest.raises(ManagerLostError):
        await transfer("PJSIP/other-1", [at(away, "a"), at(here, "b")])


async def test_one_name_on_two_asterisks_is_not_guessed():
    """Every Asterisk numbers its channels from one."""
    both = [at(FakeManager(), "a"), at(FakeManager(), "b")]
    with pytest.raises(InputError, match="`a`, `b`"):
        await transfer(AGENT, both)
    assert (await transfer(AGENT, both, asterisk="b")).asterisk == "b"
    with pytest.raises(InputError, match="known: `a`, `b`"):
        await transfer(AGENT, both, asterisk="c")
    with pytest.raises(InputError, match="no Asterisk is configured"):
        await transfer(AGENT, [])


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        (ActionRefusedError("Channel does not exist: PJSIP/carrier-00000002"), NoSuchCallError),
        (ActionRefusedError("Permission denied"), ActionRefusedError),
        (ManagerLostError("no answer in time"), ManagerLostError),
    ],
)
async def test_a_call_that_ends_meanwhile_is_told_from_a_refusal(refusal, raised):
    """And when it cannot be told, that is said."""
    with pytest.raises(raised):
        await transfer(AGENT, [at(FakeManager(refusal=refusal))])


@pytest.mark.parametrize("marks", [{}, {PERSON: ""}, {PERSON: " "}, {AGENT: "31612345001"}])
async def test_a_leg_that_the_gate_did_not_let_out_is_not_sent_on(marks):
    """An emergency call, or somebody who called in: their leg is on a trunk too, and has no mark of its own."""
    manager = FakeManager(marks=marks)
    for named in (AGENT, PERSON):
        with pytest.raises(NoSuchCallError, match="no call that the gate let out"):
            await transfer(named, [at(manager)])
    assert manager.redirected == []


@pytest.mark.parametrize(
    ("unread", "raised"),
    [
        (ActionRefusedError("No such channel"), NoSuchCallError),
        (ActionRefusedError("Permission denied"), ActionRefusedError),
        (ManagerLostError("no answer in time"), ManagerLostError),
    ],
)
async def test_a_mark_that_cannot_be_read_counts_as_none(unread, raised):
    """Nothing is sent on."""
    manager = FakeManager(unread=unread)
    with pytest.raises(raised):
        await transfer(AGENT, [at(manager)])
    assert manager.redirected == []
