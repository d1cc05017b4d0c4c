"""AGI commands: values to bytes, as pure as `wire.py`.

Rule 1: what cannot be sent safely is refused before a byte of it is sent.

The peer is Asterisk's `res/res_agi.c`; names in capitals in comments are from there.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from asterisk_plugin.core.channels import ear_variables
from asterisk_plugin.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_COMMAND_BYTES = 2047
"""Longest command, line feed included. Asterisk reads into AGI_BUF_LEN (2048) bytes with `fgets`
and takes what is beyond as a command of its own, so a longer value would be an injection."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,78}", re.ASCII)
# A function (`SHELL(...)`, `FILE(...)`) would run when it is "set", so no parenthesis may stand in a name.
# 79 characters: AST_MAX_EXTENSION, 80, with its NUL.

_UNSENDABLE = re.compile('["\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
# A quote could be escaped, and is refused: it ends the string in a dialplan's `$["${X}" = "ALLOW"]`.

_PLAIN = re.compile(r"[A-Za-z0-9+._:@/-]*", re.ASCII)
# None of these characters means anything to `parse_args`, to an application's argument list, or to `$`.

KEYS = "0123456789*#"
"""Every key of a telephone."""

_LANGUAGE = re.compile(r"[a-z]{2}", re.ASCII)
_KEYS = re.compile(r"[0-9*#]{0,12}", re.ASCII)
_SOUND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:/[A-Za-z0-9][A-Za-z0-9_-]*)*", re.ASCII)
# Relative and without dots: Asterisk may run on another machine, and finds language and format for itself.

_CALL = re.compile(r"[0-9a-f]{32}", re.ASCII)
_CHANNEL = re.compile(r"[A-Za-z0-9_./@:;+=-]{1,200}", re.ASCII)
_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]{1,200}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}", re.ASCII)

KEY_VARIABLE = "RINGFENCE_KEY"
"""Where `Read()` leaves the key it read."""

PAST_THE_END = 2_000_000_000
"""A sample no sound has; `STREAM FILE` from there plays nothing."""

MAX_PAIRS = 24
"""Most variables in one `MSet`. `pbx_builtin_setvar_multiple` has room for 24 or, later, 99 pairs, and
leaves all that follows in the last one's value."""

_LONGEST_PLAIN = 1000  # longer ones travel alone, so that every pair fits into one command
_MSET_ROOM = MAX_COMMAND_BYTES - len('EXEC MSet ""\n')


def escaped(value: str) -> str:
    r"""A value as it stands between the quotes of an AGI command's argument.

    `parse_args` takes a backslash as "the next character is meant literally", inside quotes too,
    so `\` is sent as `\\`. `SET VARIABLE` stores the text as it is: `${...}` and `$[...]` are not
    evaluated (seen on Asterisk 22.10), and where the dialplan uses the variable they are not
    evaluated again, as long as nobody wraps it in `EVAL()`.

    Args:
        value: Any text without quotes, control characters and lone surrogates.

    Raises:
        LocalProtocolError: It holds one of those.
    """
    if found := _UNSENDABLE.search(value):
        raise LocalProtocolError(
            f"a value holds {found.group()!a} at character {found.start()}, "
            "which must not be sent to Asterisk; quotes, line breaks and control characters are refused"
        )
    return value.replace("\\", "\\\\")


@functools.lru_cache(maxsize=256)  # the same few, again and again
def checked_name(name: str) -> str:
    """The name of a channel variable, unchanged.

    Raises:
        LocalProtocolError: It is not letters, digits and underscores, at most 79.
    """
    if not _NAME.fullmatch(name):
        raise LocalProtocolError(
            f"{name[:80]!a} cannot be the name of a channel variable, which is 1 to 79 letters, digits and _"
        )
    return name


def set_variable(name: str, value: str) -> bytes:
    """The command that sets one channel variable; any sendable text.

    Raises:
        LocalProtocolError: The name or the value must not be sent, or is too long.

    Wire:
        `SET VARIABLE "NAME" "value"`, answered `200 result=1`; allowed on a dead channel.
    """
    command = f'SET VARIABLE "{checked_name(name)}" "{escaped(value)}"\n'.encode()
    if len(command) > MAX_COMMAND_BYTES:
        raise LocalProtocolError(
            f"setting `{name}` takes {len(command)} bytes, at most {MAX_COMMAND_BYTES} are allowed"
        )
    return command


def set_variables(values: Mapping[str, str]) -> tuple[bytes, ...]:
    """The fewest commands that set these channel variables, in the given order.

    Send one, await its reply, send the next: Asterisk's `run_agi` polls the socket, but reads
    through a stdio buffer, so of several commands that arrive together it answers the first and
    then waits for ever (seen on 22.10). Therefore plain values travel together in one
    `EXEC MSet`, which is one round trip for all (116 µs against 571 µs for eight variables one by
    one); a value with any other character gets a `SET VARIABLE` of its own.

    Raises:
        LocalProtocolError: A name or value must not be sent; nothing may be sent then.

    Wire:
        `EXEC MSet "A=1,B=,C=x"`, answered `200 result=0`.
    """
    if len(values) <= MAX_PAIRS and _PLAIN.fullmatch("".join(values.values())) is not None:
        # The usual case, at half the cost: all values are plain, and fit into one command.
        command = _mset(f"{checked_name(name)}={value}" for name, value in values.items())
        if values and len(command) <= _LONGEST_PLAIN:
            return (command,)
    commands: list[bytes] = []
    together: list[str] = []
    size = 0
    for name, value in values.items():
        is_plain = len(value) <= _LONGEST_PLAIN and _PLAIN.fullmatch(value) is not None
        pair = f"{checked_name(name)}={value}"
        if together and (not is_plain or len(together) == MAX_PAIRS or size + len(pair) >= _MSET_ROOM):
            commands.append(_mset(together))
            together, size = [], 0
        if is_plain:
            together.append(pair)
            size += len(pair) + 1
        else:
            commands.append(set_variable(name, value))
    if together:
        commands.append(_mset(together))
    return tuple(commands)


def get_full_variable(expression: str) -> bytes:
    """The command that lets Asterisk evaluate an expression, `${CONNECTEDLINE(num)}`.

    Args:
        expression: Ours alone, never with text from outside in it: functions in it are run.

    Raises:
        LocalProtocolError: It holds a quote or control character, or is too long.

    Wire:
        `GET FULL VARIABLE "${...}"`, answered `200 result=1 (value)`; allowed on a dead channel.
    """
    command = f'GET FULL VARIABLE "{escaped(expression)}"\n'.encode()
    if len(command) > MAX_COMMAND_BYTES:
        raise LocalProtocolError(f"an expression takes {len(command)} bytes, at most {MAX_COMMAND_BYTES} are allowed")
    return command


def answer() -> bytes:
    """The command that answers the call; nothing happens when somebody has.

    Wire:
        `ANSWER`, answered `200 result=0`, or -1 when the call is gone.
    """
    return b"ANSWER\n"


def set_language(code: str) -> bytes:
    """The command that chooses the language of sounds, ISO 639-1.

    Raises:
        LocalProtocolError: It is not two lower-case letters.

    Wire:
        `SET VARIABLE "CHANNEL(language)" "de"`, answered `200 result=1`.
    """
    if not _LANGUAGE.fullmatch(code):
        raise LocalProtocolError(f"{code[:40]!a} is no language, which is two lower-case letters")
    return f'SET VARIABLE "CHANNEL(language)" "{code}"\n'.encode()


def stream_file(sound: str, *, keys: str, from_sample: int = 0) -> bytes:
    """The command that plays one sound until its end or one of some keys.

    Args:
        sound: Name without language and format, `ringfence/goodbye`.
        keys: Keys that stop it; others are ignored, and lost.
        from_sample: Where to begin; `PAST_THE_END` asks only whether there is such a sound.

    Raises:
        LocalProtocolError: The name or the keys must not be sent.

    Wire:
        `STREAM FILE ringfence/goodbye "129" 0`, answered `200 result=49 endpos=2560` (the key in ASCII),
        `result=0` at the end, `result=-1` when the call is gone and when there is no such sound (seen on
        16.28 and 22.10); 511 on a dead channel.
    """
    return f'STREAM FILE {_checked_sound(sound)} "{_checked_keys(keys)}" {from_sample}\n'.encode()


def set_autohangup(seconds: int) -> bytes:
    """The command that ends the channel's present time limit and sets another, the same as `TIMEOUT(absolute)`.

    Wire:
        `SET AUTOHANGUP 180`, seconds from now, 0 for none; answered `200 result=0`.
    """
    return f"SET AUTOHANGUP {max(0, seconds)}\n".encode()


def wait_for_digit(timeout_s: float) -> bytes:
    """The command that waits for any key.

    Wire:
        `WAIT FOR DIGIT 5000`, milliseconds, answered with the key in ASCII, 0 after silence, -1 when the call is gone.
    """
    return f"WAIT FOR DIGIT {max(1, round(timeout_s * 1000))}\n".encode()


def read(sounds: Sequence[str], *, wait_s: float) -> bytes:
    """The command that plays sounds one after another until any key, and then goes on waiting for one.

    What is pressed while no command runs, `run_agi` reads and drops; within one command nothing is lost,
    between two sounds neither. Between two sounds it listens for 50 ms. A sound that is not there is left out.

    Args:
        sounds: As for `stream_file`.
        wait_s: Seconds of silence after the last; 0 waits no longer than a millisecond.

    Raises:
        LocalProtocolError: A name must not be sent, or they are too long for one command.

    Wire:
        `EXEC Read "RINGFENCE_KEY,ringfence/a&ringfence/b,1,n,1,5"`, answered `200 result=0` whatever came of
        it (read_result tells), -2 where Asterisk has no `Read()`.
    """
    # Option n: a call that nobody has answered stays so, for it may wait free of charge.
    # Of a time-out of 0 `Read()` makes the dialplan's own, ten seconds.
    names = "&".join(map(_checked_sound, sounds))
    command = f'EXEC Read "{KEY_VARIABLE},{names},1,n,1,{max(wait_s, 0.001):.3f}"\n'.encode()
    if len(command) > MAX_COMMAND_BYTES:
        raise LocalProtocolError(f"{len(sounds)} sounds take {len(command)} bytes, {MAX_COMMAND_BYTES} are allowed")
    return command


def audio_socket(call: str, address: str) -> bytes:
    """The command that sends a call's sound to an AudioSocket server until that one ends it.

    Args:
        call: What names the call, 32 hex digits.
        address: `host:port` of the server.

    Raises:
        LocalProtocolError: One of them must not be sent.

    Wire:
        `EXEC AudioSocket "12345678-...,127.0.0.1:4574"`, answered `200 result=0` when the server has ended it, -1
        when nobody listens there, or the call is gone, -2 where Asterisk has no `AudioSocket()` (before 18).
    """
    if not _CALL.fullmatch(call) or not _ADDRESS.fullmatch(address):
        raise LocalProtocolError(f"{call[:40]!a} and {address[:80]!a} are no call of 32 hex digits and no `host:port`")
    uuid = "-".join((call[:8], call[8:12], call[12:16], call[16:20], call[20:]))
    return f'EXEC AudioSocket "{uuid},{address}"\n'.encode()


def spy(channel: str, call: str, address: str) -> bytes:
    """The command that sends the sound of a channel's far side to an AudioSocket server while its call goes on.

    Args:
        channel: Its name.
        call: What names the call there, 32 hex digits.
        address: `host:port` of the server.

    Raises:
        LocalProtocolError: One of them must not be sent.

    Wire:
        `EXEC Originate "Local/spy@ringfence-ear/n,exten,ringfence-ear,sound,1,3,aC(slin)v(...)"`, answered
        `200 result=0` before anything of it has happened, -2 where Asterisk has no `Originate()`.
    """
    if not _CHANNEL.fullmatch(channel) or not _CALL.fullmatch(call) or not _ADDRESS.fullmatch(address):
        raise LocalProtocolError(f"{channel[:80]!a}, {call[:40]!a} and {address[:80]!a} must not be sent to Asterisk")
    passed_on = "^".join(f"{name}={value}" for name, value in ear_variables(channel, call, address).items())
    return f'EXEC Originate "Local/spy@ringfence-ear/n,exten,ringfence-ear,sound,1,3,aC(slin)v({passed_on})"\n'.encode()


def amd() -> bytes:
    """The command that lets `app_amd` listen; `AMDSTATUS` and `AMDCAUSE` tell what it found.

    Wire:
        `EXEC AMD`, answered `200 result=0`, -1 when the call is gone, -2 where Asterisk has no `AMD()`.
    """
    return b'EXEC AMD ""\n'


def user_event(name: str, fields: Mapping[str, str]) -> bytes:
    """The command that sends an event to everybody on AMI, with the channel's own fields.

    Args:
        name: Letters.
        fields: Plain values only: no comma could be told from the next field's.

    Raises:
        LocalProtocolError: A name or value must not be sent.

    Wire:
        `EXEC UserEvent "RingfenceAnswered,Token: ...,Heard: person"`, answered `200 result=0`, -2 where Asterisk has no
        `UserEvent()`.
    """
    if any(not _PLAIN.fullmatch(value) for value in fields.values()):
        raise LocalProtocolError("an event's values are letters, digits and `+._:@/-`")
    listed = "".join(f",{checked_name(field)}: {value}" for field, value in fields.items())
    return f'EXEC UserEvent "{checked_name(name)}{listed}"\n'.encode()


READ_RESULT = f"${{READSTATUS}}|${{{KEY_VARIABLE}}}"
"""What came of `read`, as an expression: `OK|5`; `OK|` for a hash, which ends an entry; `TIMEOUT|`; `HANGUP|`;
`ERROR|` when the last sound is not there (then it did not wait)."""


def _checked_sound(name: str) -> str:
    if len(name) > 100 or not _SOUND.fullmatch(name):
        raise LocalProtocolError(f"{name[:100]!a} is no sound, which is letters, digits, _ and -, with / between")
    return name


def _checked_keys(keys: str) -> str:
    if not _KEYS.fullmatch(keys):
        raise LocalProtocolError(f"{keys[:40]!a} are no keys, which are 0 to 9, * and #")
    return keys


def _mset(pairs: Iterable[str]) -> bytes:
    return f'EXEC MSet "{",".join(pairs)}"\n'.encode()
