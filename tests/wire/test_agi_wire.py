"""The AGI reader, fed with what Asterisk sends and with what nobody should."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.agi import wire
from asterisk_plugin.agi.wire import AgiWire, Closed, Event, HungUp, Reply, Request
from asterisk_plugin.errors import LocalProtocolError, RemoteProtocolError

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("agi-*.txt"))
REQUEST = b"agi_network: yes\nagi_network_script: attempt\nagi_callerid: 1001\nagi_callingpres: 0\n\n"
COMMANDS = 8


def drain(reader: AgiWire) -> list[Event]:
    """Every event there is; a request is answered with eight commands, so that replies are expected."""
    events: list[Event] = []
    while (event := reader.next_event()) is not None:
        events.append(event)
        if isinstance(event, Request):
            for _ in range(COMMANDS):
                reader.command_sent()
    return events


def read(*pieces: bytes) -> list[Event]:
    """The events of these pieces, given one after the other."""
    reader = AgiWire()
    events: list[Event] = []
    for piece in pieces:
        reader.receive_data(piece)
        events += drain(reader)
    return events


def request_of(text: str) -> wire.AgiRequest:
    """The request that these header lines are."""
    (event,) = read(text.encode() + b"\n\n")
    assert isinstance(event, Request)
    return event.request


def after_request(data: bytes) -> list[Event]:
    """The events that follow a request."""
    return read(REQUEST + data)[1:]


def test_a_recorded_request_is_understood_line_by_line():
    """Name, arguments and caller come from the header of a real Asterisk 22.10."""
    event = read((Path(__file__).parent / "transcripts/agi-attempt.txt").read_bytes())[0]
    assert isinstance(event, Request)
    request = event.request
    assert request.script == "attempt"
    assert request.arguments == ("020 123 45 67", "winter", "")
    assert (request.channel, request.unique_id) == ("PJSIP/agent1-00000001", "1795285817.0")
    assert (request.caller_number, request.calling_pres, request.extension) == ("1001", 0, "s")
    assert request.peer == ""
    assert request.variables["agi_calleridname"] == 'Jürgen: "the" agent'
    assert request.variables["agi_accountcode"] == ""


def test_a_hangup_anywhere_is_told_once_and_shifts_no_reply():
    """Before, between and behind replies, three times: one HungUp, and each reply in its place."""
    events = read((Path(__file__).parent / "transcripts/agi-hangup-inline.txt").read_bytes())[1:]
    assert events == [
        HungUp(),
        Reply(200, "1", "", "result=1"),
        Reply(200, "1", "a (b) c", "result=1 (a (b) c)"),
    ]


def test_every_kind_of_reply_is_told_apart():
    """100 is no reply; a 520 of several lines is one, with a HANGUP in its middle."""
    events = read((Path(__file__).parent / "transcripts/agi-refusals.txt").read_bytes())[1:]
    hang_ups = [event for event in events if isinstance(event, HungUp)]
    replies = [event for event in events if isinstance(event, Reply)]
    assert hang_ups == [HungUp()]
    assert [(reply.code, reply.result) for reply in replies] == [
        (200, "-2"),
        (510, ""),
        (511, ""),
        (520, ""),
        (520, ""),
        (200, "1"),
    ]
    assert "Sets a variable" in replies[3].text
    assert "End of proper usage" in replies[3].text


def test_a_usage_text_without_a_line_feed_of_its_own_still_ends():
    """Old Asterisks glue the last line of the usage and the end of it together."""
    events = after_request(b"520-Usage follows:\nUsage: SET520 End of proper usage.\n200 result=1\n")
    assert [event.code for event in events if isinstance(event, Reply)] == [520, 200]


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_byte_by_byte_gives_the_same_events(path: Path):
    """How the bytes are cut must not matter."""
    data = path.read_bytes()
    assert read(*(data[i : i + 1] for i in range(len(data)))) == read(data)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_cut_after_every_byte_ends_cleanly(path: Path):
    """The same events as far as they go, then Closed or one error, then silence."""
    data = path.read_bytes()
    whole = read(data)
    for cut in range(1, len(data) + 1):
        reader = AgiWire()
        reader.receive_data(data[:cut])
        events = drain(reader)
        assert events == whole[: len(events)], cut
        reader.receive_data(b"")
        with contextlib.suppress(RemoteProtocolError):
            assert reader.next_event() == Closed(), cut
            assert data[:cut].endswith(b"\n"), cut
        reader.receive_data(b"200 result=1\n")
        assert reader.next_event() is None, cut


def test_the_end_of_the_input_is_an_error_only_in_the_middle_of_something():
    """Before a request and after a whole line is fine; in a request, a line or a usage text is not."""
    assert read(b"") == [Closed()]
    assert read(REQUEST, b"")[-1] == Closed()
    for middle in (b"agi_network: yes\n", b"agi_", REQUEST + b"200 res", REQUEST + b"520-Usage\nx\n"):
        with pytest.raises(RemoteProtocolError):
            read(middle, b"")


@given(st.lists(st.binary(max_size=64), max_size=20))
@settings(max_examples=300, deadline=None)
def test_random_bytes_give_events_or_a_protocol_error(pieces: list[bytes]):
    """Nothing else may come out, whatever goes in."""
    with contextlib.suppress(RemoteProtocolError):
        read(*pieces, b"")


FRAGMENTS = st.sampled_from(
    [
        *b"agi_arg_1: |agi_network_script: |agi_x:: |: |\n|\r\n|\n\n|HANGUP|HANGUP\n".split(b"|"),
        *b"200 result=1|200 result=-1 (|)|100 |510|511 x|520-|520 End|999| |\x00|\xc3|\xff\xfe".split(b"|"),
        REQUEST,
        b"a" * 9000,
    ]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=4), max_size=40), st.booleans())
@settings(max_examples=500, deadline=None)
def test_pieces_of_agi_in_any_order_give_events_or_a_protocol_error(pieces: list[bytes], requested: bool):
    """Random, but near enough to AGI to reach every state; after an error nothing more comes."""
    reader = AgiWire()
    if requested:
        reader.receive_data(REQUEST)
        drain(reader)
    for piece in pieces:
        reader.receive_data(piece)
        try:
            drain(reader)
        except RemoteProtocolError:
            reader.receive_data(REQUEST)
            assert reader.next_event() is None
            return


def test_a_caller_name_cut_in_the_middle_of_a_character_does_not_stop_the_call():
    """Broken UTF-8 is replaced, in the request and in a reply."""
    events = read(b"agi_calleridname: J\xc3\nagi_arg_1: \xff12\n\n", b"200 result=1 (\xc3)\n")
    assert isinstance(events[0], Request)
    assert events[0].request.variables["agi_calleridname"] == "J\ufffd"
    assert events[0].request.arguments == ("\ufffd12",)
    assert events[1] == Reply(200, "1", "\ufffd", "result=1 (\ufffd)")


def test_an_unknown_caller_has_no_number():
    """Asterisk writes `unknown` where there is none."""
    assert request_of("agi_callerid: unknown").caller_number == ""
    assert request_of("agi_network: yes").caller_number == ""


@pytest.mark.parametrize(
    ("line", "script"),
    [
        ("agi_network_script: attempt", "attempt"),
        ("agi_network_script: attempt?x=1&y=2", "attempt"),
        ("agi_network_script: /attempt/", "attempt"),
        ("agi_network_script: a/b", "a/b"),
        ("agi_request: agi://127.0.0.1", ""),
    ],
)
def test_the_script_is_the_path_without_slashes_and_query(line: str, script: str):
    """A missing `agi_network_script` is the empty script, which nobody has."""
    assert request_of(line).script == script


@pytest.mark.parametrize("pres", ["", "x", "-1", "٣", "99999999999"])
def test_an_unreadable_presentation_counts_as_unavailable(pres: str):
    """The strict reading: a caller ID that nobody can vouch for is not shown."""
    assert request_of(f"agi_callingpres: {pres}").calling_pres == 67
    assert request_of("agi_callingpres: 32").calling_pres == 32


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n", id="http"),
        pytest.param(b"\n", id="empty"),
        pytest.param(b"agi_arg_1\n", id="no colon"),
        pytest.param(b"AGI_ARG_1: x\n", id="capitals"),
        pytest.param(b"200 result=1\n", id="a reply"),
        pytest.param(b"agi_arg_1: x\nagi_arg_1: y\n", id="twice"),
        pytest.param(b"agi_arg_1: x\nagi_arg_3: y\n\n", id="a gap"),
        pytest.param(b"agi_arg_01: x\n\n", id="a zero"),
        pytest.param(b"agi_calleridname: " + b"x" * wire.MAX_LINE_BYTES + b"\n", id="a long line"),
        pytest.param(b"agi_calleridname: " + b"x" * wire.MAX_LINE_BYTES, id="a long line without end"),
        pytest.param(b"".join(b"agi_a%d: x\n" % i for i in range(161)), id="many lines"),
        pytest.param(b"".join(b"agi_a%d: %s\n" % (i, b"x" * 8000) for i in range(5)), id="many bytes"),
        pytest.param(b"HANGUP\n" * 65, id="many hang-ups"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes):
    """Every limit and every malformed line."""
    with pytest.raises(RemoteProtocolError):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"agi_arg_1: x\n", id="header"),
        pytest.param(b"\n", id="empty"),
        pytest.param(b"2000 result=1\n", id="four digits"),
        pytest.param(b"200-result=1\n", id="200 of several lines"),
        pytest.param(b"200 result=1\n" * (COMMANDS + 1), id="too many replies"),
        pytest.param(b"100 Trying\n" * 65, id="many hundreds"),
        pytest.param(b"x" * (wire.MAX_LINE_BYTES + 1), id="a long line"),
        pytest.param(b"520-Usage\n" + b"x\n" * wire.MAX_REQUEST_BYTES, id="an endless usage"),
    ],
)
def test_what_is_no_reply_is_refused(data: bytes):
    """Every limit and every malformed line after the request."""
    with pytest.raises(RemoteProtocolError):
        after_request(data)


def test_a_reply_nobody_asked_for_is_refused():
    """A line break in a caller name that ends the header early leaves such lines behind."""
    reader = AgiWire()
    reader.receive_data(REQUEST + b"200 result=1\n")
    assert isinstance(reader.next_event(), Request)
    with pytest.raises(RemoteProtocolError):
        reader.next_event()


def test_a_forged_second_header_does_not_go_through():
    """A caller name with a line break in it cannot replace the number that is judged."""
    with pytest.raises(RemoteProtocolError):
        read(b"agi_calleridname: x\nagi_arg_1: +31600000000\nagi_arg_1: +31612345678\n\n")


def test_an_error_says_nothing_of_what_was_received():
    """A line may hold a telephone number, and errors are logged."""
    with pytest.raises(RemoteProtocolError) as caught:
        read(b"agi_arg_1: 1\n+31612345678\n")
    assert "31612345678" not in str(caught.value)


def test_a_command_before_the_request_or_after_the_end_is_our_own_fault():
    """Then Asterisk would not be listening."""
    reader = AgiWire()
    with pytest.raises(LocalProtocolError):
        reader.command_sent()
    reader.receive_data(REQUEST)
    assert isinstance(reader.next_event(), Request)
    reader.command_sent()
    reader.receive_data(b"")
    assert reader.next_event() == Closed()
    with pytest.raises(LocalProtocolError):
        reader.command_sent()


def test_line_ends_with_a_carriage_return_are_understood():
    """People test with telnet."""
    events = read(REQUEST.replace(b"\n", b"\r\n"), b"HANGUP\r\n200 result=1\r\n")
    assert isinstance(events[0], Request)
    assert events[0].request.script == "attempt"
    assert events[1:] == [HungUp(), Reply(200, "1", "", "result=1")]
