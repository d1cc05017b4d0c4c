"""Who hears whom: bridges, and Local channels that join two of them."""

from __future__ import annotations

from asterisk_plugin.callflow.bridges import Bridges

LEG, AGENT = "PJSIP/carrier-00000001", "PJSIP/agent7-00000002"
ONE, TWO = "Local/s@dial-00000001;1", "Local/s@dial-00000001;2"


def enter(bridges: Bridges, channel: str, bridge: str) -> frozenset[str]:
    return bridges.take({"Event": "BridgeEnter", "Channel": channel, "BridgeUniqueid": bridge})


def test_alone_in_a_bridge_hears_nobody() -> None:
    assert enter(Bridges(), LEG, "a") == {LEG}


def test_two_in_a_bridge_hear_each_other() -> None:
    bridges = Bridges()
    enter(bridges, LEG, "a")
    assert enter(bridges, AGENT, "a") == {LEG, AGENT}


def test_a_local_channel_between_them_is_followed() -> None:
    bridges = Bridges()
    enter(bridges, LEG, "a")
    assert enter(bridges, TWO, "a") == {LEG}, "its other half is nowhere yet"
    enter(bridges, AGENT, "b")
    assert enter(bridges, ONE, "b") == {LEG, AGENT}


def test_who_has_left_is_not_there() -> None:
    bridges = Bridges()
    enter(bridges, AGENT, "a")
    bridges.take({"Event": "BridgeLeave", "Channel": AGENT, "BridgeUniqueid": "a"})
    assert enter(bridges, LEG, "a") == {LEG}


def test_a_bridge_that_is_gone_holds_nobody() -> None:
    bridges = Bridges()
    enter(bridges, AGENT, "a")
    bridges.take({"Event": "BridgeDestroy", "BridgeUniqueid": "a"})
    assert bridges.with_channel(AGENT) == frozenset()


def test_the_voice_of_a_conference_is_nobody() -> None:
    bridges = Bridges()
    enter(bridges, "CBAnn/room-00000001;2", "a")
    assert enter(bridges, LEG, "a") == {LEG}


def test_what_runs_already_is_learnt_from_a_list() -> None:
    bridges = Bridges()
    bridges.know([{"Channel": LEG, "BridgeId": "a"}, {"Channel": AGENT, "BridgeId": "a"}, {"Channel": "x"}])
    assert bridges.with_channel(LEG) == {LEG, AGENT}
