"""The lab's own parts: what it believes must be true, or every proof built on it is none."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import signal
import struct
import sys
from pathlib import Path

import pytest

from tests.lab import clock
from tests.lab.ports import end_process
from tests.lab.provision import ProvisionError, read_version, serves
from tests.lab.wire_record import invites_in, read_capture

_INVITE = (
    'INVITE sip:%2B4930123@127.0.0.2:5080 SIP/2.0\r\nFrom: "A \\"B\\"" <sip:+4922@127.0.0.1>;tag=1\r\n'
    "To: <sip:+4930123@127.0.0.2>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n"
    "P-Asserted-Identity: <sip:+4922@127.0.0.1>\r\nPrivacy: none\r\n\r\n"
)


def _record(at_s: float, text: str, *, received: bool = True, call_id: str = "c1") -> bytes:
    payload = text.replace("Call-ID: c1", f"Call-ID: {call_id}").encode()
    ports = (5070, 0) if received else (0, 5070)
    udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    frame = bytes(12) + b"\x08\x00" + b"\x45" + bytes(19) + udp
    return struct.pack("=IIII", int(at_s), round(at_s % 1 * 1e6), len(frame), len(frame)) + frame


def _response(status: int, method: str = "INVITE") -> str:
    return f"SIP/2.0 {status} X\r\nCall-ID: c1\r\nCSeq: 7 {method}\r\n\r\n"


def test_a_call_is_followed_from_invite_to_cancel() -> None:
    """Times in seconds, the number unescaped, the name without its quotes."""
    data = bytes(24) + b"".join(
        (
            _record(100.0, _INVITE),
            _record(100.01, _response(100), received=False),
            _record(100.3, _response(180), received=False),
            _record(100.5, "CANCEL sip:x SIP/2.0\r\nCall-ID: c1\r\nCSeq: 7 CANCEL\r\n\r\n"),
            _record(100.51, _response(200, "CANCEL"), received=False),
            _record(100.52, _response(487), received=False),
        )
    )
    (call,) = invites_in(read_capture(data))
    assert (call.number, call.from_number, call.from_name, call.pai_number) == (
        "+4930123",
        "+4922",
        'A "B"',
        "+4922",
    )
    assert (call.rang_at_s, call.answered_at_s, call.status) == (100.3, None, 487)
    assert call.lived_ms == pytest.approx(500)


def test_a_repeated_datagram_and_a_re_invite_are_no_new_calls() -> None:
    """One person was called once."""
    again = _INVITE.replace("To: <sip:+4930123@127.0.0.2>", "To: <sip:+4930123@127.0.0.2>;tag=9")
    data = bytes(24) + b"".join((_record(1, _INVITE), _record(1.5, _INVITE), _record(2, again)))
    assert len(invites_in(read_capture(data))) == 1


def test_an_invite_that_went_out_is_not_one_that_came_in() -> None:
    """The carrier's own calls to the PBX are not counted against it."""
    data = bytes(24) + _record(1, _INVITE, received=False)
    assert invites_in(read_capture(data)) == []


def test_markers_of_the_lab_are_left_out() -> None:
    """What the lab itself sends is no evidence."""
    data = bytes(24) + _record(1, _INVITE, call_id="marker-1") + _record(2, _INVITE)
    assert [message.at_s for message in read_capture(data)] == [2.0]


@pytest.mark.parametrize(
    ("text", "version", "good"),
    [
        ("Asterisk 22.10.1+dfsg+~cs6.17\n", (22, 10, 1), True),
        ("Asterisk 16.28.0~dfsg-0+deb11u4", (16, 28, 0), True),
        ("Asterisk certified/18.9-cert4", (18, 9), True),
        ("Asterisk 16.2.1~dfsg-1", (16, 2, 1), False),
        ("Asterisk 13.38.3", (13, 38, 3), False),
        ("Asterisk 23.0.0", (23, 0, 0), True),
    ],
)
def test_an_installed_asterisk_is_used_only_when_it_serves(text: str, version: tuple[int, ...], good: bool) -> None:
    """Version 16 or later, and able to record its SIP socket."""
    assert read_version(text) == version
    assert serves(version) is good


def test_what_is_no_version_is_said() -> None:
    """No guess."""
    with pytest.raises(ProvisionError, match="names no Asterisk version"):
        read_version("command not found")


def test_the_lab_lives_on_a_working_day() -> None:
    """A Tuesday, eleven in Berlin, within nine weeks whatever the calendar."""
    moment = clock.next_working_tuesday()
    assert (moment.isoweekday(), moment.hour, str(moment.tzinfo)) == (2, 11, "Europe/Berlin")
    assert dt.timedelta(0) < moment - dt.datetime.now(dt.UTC) < dt.timedelta(weeks=9)


async def test_a_process_believes_the_time_it_is_given() -> None:
    """Wall clock and SQLite move; time-outs, sleeps and event loops keep their length."""
    code = """
import asyncio, sqlite3, sys, threading, time, uvloop
async def main():
    began = time.monotonic()
    await asyncio.sleep(0.1)
    await asyncio.to_thread(time.sleep, 0.1)
    threading.Event().wait(0.1)
    (sqlite,) = sqlite3.connect(":memory:").execute("select strftime('%s','now')").fetchone()
    print(round(time.time()), sqlite,
          0.29 < time.monotonic() - began < 1.5)
uvloop.run(main())
"""
    moment = dt.datetime(2027, 3, 2, 10, tzinfo=dt.UTC)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env={**os.environ, **clock.at(moment)}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    wall, sqlite, kept = out.decode().split()
    assert float(wall) == pytest.approx(moment.timestamp(), abs=5)
    assert float(sqlite) == pytest.approx(moment.timestamp(), abs=5)
    assert kept == "True"


@pytest.mark.live
async def test_nothing_outlives_a_lab_whose_python_is_killed() -> None:
    """SIGKILL leaves no chance to clean up; the kernel does it."""
    code = (
        "import asyncio\nfrom tests.lab.lab import Lab\nasync def main():\n lab = await Lab.start()\n"
        " print(lab.pbx.pid, lab.carrier.pid, flush=True)\n"
        " print(lab.pbx.folder, lab.carrier.folder, flush=True)\n await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pids = [int(word) for word in (await asyncio.wait_for(process.stdout.readline(), 60)).split()]
    folders = [Path(word.decode()) for word in (await process.stdout.readline()).split()]
    assert all(_runs(pid) for pid in pids)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with asyncio.timeout(30):
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110 - not our children: no event
            await asyncio.sleep(0.02)
    for folder in folders:
        shutil.rmtree(folder)


async def test_a_process_that_ignores_sigterm_is_ended_all_the_same() -> None:
    """After its patience, SIGKILL."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    out = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=out)
    assert process.stdout is not None
    await process.stdout.readline()
    assert await end_process(process, patience_s=0.2) == -signal.SIGKILL


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
