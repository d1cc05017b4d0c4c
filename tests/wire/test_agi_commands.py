"""AGI commands: what may be sent, and that Asterisk reads it as it was meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asterisk_plugin.agi import commands
from asterisk_plugin.errors import LocalProtocolError
from tests.rim.agi_peer import Dialplan, parse_args

VERDICT = {
    "RINGFENCE_NUMBER": "+31201234567",
    "RINGFENCE_CALLER_ID": "+31207654321",
    "RINGFENCE_REASON": "",
    "RINGFENCE_DECISION": "ALLOW",
}


def carried_out(sent: tuple[bytes, ...]) -> dict[str, str]:
    """The variables that an Asterisk has after these commands."""
    dialplan = Dialplan()
    for command in sent:
        assert command.count(b"\n") == 1
        assert command.endswith(b"\n")
        assert len(command) <= commands.MAX_COMMAND_BYTES
        assert dialplan.reply(command.decode()[:-1]).startswith(b"200")
    return dialplan.variables


def test_a_verdict_is_one_command():
    """Asterisk answers several commands that arrive together with one reply, so there must be one."""
    sent = commands.set_variables(VERDICT)
    assert sent == (
        b'EXEC MSet "RINGFENCE_NUMBER=+31201234567,RINGFENCE_CALLER_ID=+31207654321,'
        b'RINGFENCE_REASON=,RINGFENCE_DECISION=ALLOW"\n',
    )


def test_a_value_that_is_not_plain_gets_a_command_of_its_own_and_keeps_its_place():
    """`MSet` would split at a comma; the order stays, so DECISION stays last."""
    sent = commands.set_variables({"A": "1", "B": "x,y=(z)", "C": "2", "D": "3"})
    assert sent == (b'EXEC MSet "A=1"\n', b'SET VARIABLE "B" "x,y=(z)"\n', b'EXEC MSet "C=2,D=3"\n')


def test_many_or_long_values_are_spread_over_commands_that_fit():
    """`MSet` takes 24 pairs, a command 2,047 bytes."""
    many = {f"NAME_{i}": str(i) for i in range(60)} | {f"LONG_{i}": "x" * 900 for i in range(5)}
    sent = commands.set_variables(many)
    assert carried_out(sent) == many
    assert all(command.count(b"=") <= commands.MAX_PAIRS for command in sent)


def test_the_longest_value_is_sent_and_one_byte_more_is_refused():
    """What is beyond 2,047 bytes Asterisk would take as a command of its own."""
    room = commands.MAX_COMMAND_BYTES - len('SET VARIABLE "A" ""\n')
    assert len(commands.set_variable("A", "x" * room)) == commands.MAX_COMMAND_BYTES
    for too_long in ("x" * (room + 1), "é" * (room // 2 + 1), "\\" * (room // 2 + 1)):
        with pytest.raises(LocalProtocolError):
            commands.set_variables({"A": too_long})


@pytest.mark.parametrize("char", ["\n", "\r", "\0", '"', "\t", "\x1b", "\x7f", "\x85", "\u2028", "\ud800"])
def test_a_value_that_could_end_a_line_or_a_string_is_refused(char: str):
    """Line breaks would be commands, quotes end a string in a dialplan expression."""
    for send in (
        lambda: commands.set_variable("A", f"x{char}y"),
        lambda: commands.set_variables({"OK": "1", "A": f"{char}SET VARIABLE RINGFENCE_DECISION ALLOW"}),
        lambda: commands.get_full_variable(f"${{A}}{char}"),
    ):
        with pytest.raises(LocalProtocolError):
            send()


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "SHELL(id)", "A\n", 'A"', "Ä", "A" * 80, "${A}", "A,B"])
def test_a_name_that_is_no_variable_is_refused(name: str):
    """A function would run when it is set."""
    with pytest.raises(LocalProtocolError):
        commands.set_variables({name: "1"})
    with pytest.raises(LocalProtocolError):
        commands.set_variable(name, "x y")


def test_an_expression_is_one_argument():
    """Quoted, so that spaces in it do not split it."""
    sent = commands.get_full_variable("${CONNECTEDLINE(num)}|${X}")
    assert parse_args(sent.decode()[:-1]) == ["GET", "FULL", "VARIABLE", "${CONNECTEDLINE(num)}|${X}"]
    with pytest.raises(LocalProtocolError):
        commands.get_full_variable("x" * 2048)


SENDABLE = st.text(st.characters(exclude_characters='"\u2028\u2029', exclude_categories=["Cc", "Cs"]), max_size=200)


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True), SENDABLE, max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_asterisk_reads_as_it_was_meant(values: dict[str, str]):
    """Backslashes, `${}`, commas and brackets arrive as text."""
    assert carried_out(commands.set_variables(values)) == values


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_sent_whole_or_refused(name: str, value: str):
    """Nothing in between, and no other exception."""
    try:
        sent = commands.set_variables({name: value})
    except LocalProtocolError:
        return
    assert carried_out(sent) == {name: value}


CALL = "0123456789abcdef0123456789abcdef"


def test_a_calls_sound_is_sent_under_the_uuid_that_its_token_is() -> None:
    assert commands.audio_socket(CALL, "127.0.0.1:4574") == (
        b'EXEC AudioSocket "01234567-89ab-cdef-0123-456789abcdef,127.0.0.1:4574"\n'
    )


def test_a_leg_is_spied_on_by_a_local_channel_of_8_khz() -> None:
    assert commands.spy("PJSIP/carrier-0000001a", CALL, "[::1]:4574") == (
        b'EXEC Originate "Local/spy@ringfence-ear/n,exten,ringfence-ear,sound,1,3,aC(slin)'
        b"v(__RINGFENCE_EAR_LEG=PJSIP/carrier-0000001a^__RINGFENCE_EAR_CALL=" + CALL.encode() + b"^"
        b'__RINGFENCE_EAR=[::1]:4574)"\n'
    )


@pytest.mark.parametrize("channel", ["", "a,b", "a^b=c", 'a"', "a\nb", "${X}", "a)b", "x" * 201])
def test_a_channel_that_would_change_the_command_is_refused(channel: str) -> None:
    with pytest.raises(LocalProtocolError):
        commands.spy(channel, CALL, "127.0.0.1:4574")


@pytest.mark.parametrize(
    ("call", "address"), [("x", "127.0.0.1:1"), (CALL.upper(), "h:1"), (CALL, "h"), (CALL, "h,x:1")]
)
def test_what_is_no_call_or_address_is_refused(call: str, address: str) -> None:
    with pytest.raises(LocalProtocolError):
        commands.audio_socket(call, address)
    with pytest.raises(LocalProtocolError):
        commands.spy("PJSIP/a-1", call, address)


def test_an_event_carries_plain_values_only() -> None:
    assert commands.user_event("RingfenceAnswered", {"Do": "done", "At": "1.4", "Why": ""}) == (
        b'EXEC UserEvent "RingfenceAnswered,Do: done,At: 1.4,Why: "\n'
    )
    for value in ("a,b", 'a"', "a b", "${X}", "a\n"):
        with pytest.raises(LocalProtocolError):
            commands.user_event("RingfenceAnswered", {"Why": value})
