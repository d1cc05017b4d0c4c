"""The API: who is let in, what is refused and how it is told; everything behind it is the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gzip
import json
import logging
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.web import RequestPayloadError
from prometheus_client import CollectorRegistry

from asterisk_plugin.admin import api as api_module
from asterisk_plugin.admin.api import MOST_BODY_BYTES, Api
from asterisk_plugin.admin.http import HttpServer, make_application
from asterisk_plugin.admin.tokens import RateLimit, Tokens, digest_of, new_token
from asterisk_plugin.callflow.register import Page
from asterisk_plugin.core.register import Entry
from asterisk_plugin.errors import (
    ActionRefusedError,
    InputError,
    LedgerUnavailableError,
    ManagerLostError,
    NoSuchCallError,
    NotRecordedError,
    StoreTimeoutError,
)
from asterisk_plugin.settings.service import HttpSettings, TokenSettings

AT = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)
ENTRY = Entry(
    row=3, person="p" * 32, id="a" * 32, reference="0123456", scope="*", at=AT, channel="ivr", number="+31612345001"
)
# Named in the ids of tests, which every process of a run must know alike.
ALL, WRITER, FORM, LOCAL = (f"rf_{letter * 43}" for letter in "awfl")


@dataclass
class FakeDesk:
    """Remembers what it was asked, and fails as the test says."""

    error: Exception | None = None
    asked: list[Any] = field(default_factory=list)

    def _take(self, *what: Any) -> None:
        self.asked.append(what)
        if self.error:
            raise self.error

    async def enter(self, values, *, token, key):
        self._take("enter", values, token, key)
        return {"reference": "0123456"}

    async def find(self, asked):
        self._take("find", asked)
        return Page((ENTRY,), 3)

    async def named(self, name):
        self._take("named", name)
        return (ENTRY,) if name == ENTRY.reference else ()

    async def refuse(self, values, *, token, key):
        self._take("refuse", values, token, key)
        return {"id": "b" * 32}

    async def pace(self, campaign, asked):
        self._take("pace", campaign, asked)
        return {"may_overdial": 3} if campaign == "spring" else None

    async def transfer(self, values):
        self._take("transfer", values)
        return {"channel": "PJSIP/carrier-1"}


@dataclass
class Running:
    """An API that answers on a port of its own."""

    port: int
    desk: FakeDesk
    tokens: Tokens
    session: ClientSession
    now_s: list[float]

    async def ask(self, method: str, path: str, *, token: str = ALL, body: Any = None, headers=None, data=None):
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        where = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, where, json=body, data=data, headers=sent | (headers or {})) as answer:
            return answer.status, await answer.json(), answer.headers


@pytest.fixture
async def api():
    entries = [
        TokenSettings(name="crm", sha256=digest_of(ALL), may=("enter", "read", "transfer")),
        TokenSettings(name="dialer", sha256=digest_of(WRITER), may=("enter", "transfer")),
        TokenSettings(name="form", sha256=digest_of(FORM)),
    ]
    desk, tokens, now_s = FakeDesk(), Tokens(entries, local=LOCAL), [0.0]
    made = Api(desk, tokens, requests_per_s=10, clock=lambda: now_s[0])
    settings = HttpSettings(port=0, header_timeout_s=0.5, max_connections=4)
    server = HttpServer(make_application(CollectorRegistry(), dict, version="1", api=made), settings)
    await server.start()
    async with ClientSession() as session:
        yield Running(server.port, desk, tokens, session, now_s)
    await server.stop()


async def test_an_objection_is_entered_with_the_name_of_its_token(api):
    """Who, and which request: both go to the evidence."""
    body = {"number": "+31612345001", "everyone": True}
    answer = await api.ask("POST", "/v1/objections", body=body, headers={"Idempotency-Key": "call 7"})
    assert answer[:2] == (201, {"reference": "0123456"})
    assert answer[2]["Cache-Control"] == "no-store"
    assert api.desk.asked == [("enter", body, "crm", "call 7")]


async def test_a_refusal_is_entered_with_the_name_of_its_token(api):
    """Who enters objections may enter these too."""
    body = {"number": "+31612345001", "campaign": "spring"}
    answer = await api.ask("POST", "/v1/refusals", body=body, token=WRITER, headers={"Idempotency-Key": "call 7"})
    assert answer[:2] == (201, {"id": "b" * 32})
    assert api.desk.asked == [("refuse", body, "dialer", "call 7")]
    api.desk.error = LedgerUnavailableError("the disk is full")
    assert (await api.ask("POST", "/v1/refusals", body=body))[0] == 503


async def test_a_pace_is_read_by_whoever_may_read(api):
    """Of a campaign that there is, in time."""
    answer = await api.ask("GET", "/v1/campaigns/spring/pace?country=nl")
    assert answer[:2] == (200, {"may_overdial": 3})
    assert api.desk.asked == [("pace", "spring", {"country": "nl"})]
    assert (await api.ask("GET", "/v1/campaigns/autumn/pace"))[0] == 404
    assert (await api.ask("GET", "/v1/campaigns/spring/pace", token=WRITER))[0] == 403
    api.desk.error = StoreTimeoutError("the store is silent")
    status, body, headers = await api.ask("GET", "/v1/campaigns/spring/pace")
    assert (status, body["error"], headers["Retry-After"]) == (503, "unavailable", "1")


async def test_objections_are_read_page_by_page(api):
    """`before` leads to the next page."""
    status, found, _ = await api.ask("GET", "/v1/objections?scope=*&limit=1")
    assert (status, found["before"], len(found["objections"])) == (200, 3, 1)
    assert found["objections"][0]["number"] == ENTRY.number
    assert api.desk.asked == [("find", {"scope": "*", "limit": "1"})]
    assert (await api.ask("GET", f"/v1/objections/{ENTRY.reference}"))[0] == 200
    assert (await api.ask("GET", "/v1/objections/9999999"))[0] == 404


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {ALL}", f"Bearer {ALL}x", f"Bearer {ALL[:-1]}", f"Bearer {digest_of(ALL)}", ALL],
)
async def test_nobody_gets_in_without_a_token(api, header):
    """Nor with half of one, with its digest, or in another scheme; and nothing is asked."""
    answer = await api.ask("GET", "/v1/objections", token="", headers={"Authorization": header} if header else {})
    assert (answer[0], answer[1]["error"]) == (401, "unauthorized")
    assert "Bearer" in answer[2]["WWW-Authenticate"]
    assert api.desk.asked == []


async def test_a_token_does_what_it_may_and_no_more(api):
    """By default a program enters, and neither sends calls on nor reads who objected."""
    assert (await api.ask("POST", "/v1/objections", token=FORM, body={}))[0] == 201
    assert (await api.ask("POST", "/v1/transfer", token=FORM, body={}))[1]["error"] == "forbidden"
    assert (await api.ask("POST", "/v1/objections", token=WRITER, body={}))[0] == 201
    assert (await api.ask("POST", "/v1/transfer", token=WRITER, body={}))[0] == 200
    for path in ("/v1/objections", "/v1/objections/0123456"):
        assert (await api.ask("GET", path, token=WRITER))[1]["error"] == "forbidden"
    assert (await api.ask("GET", "/v1/objections", token=LOCAL))[0] == 200


async def test_a_token_that_was_taken_away_is_refused_at_once(api):
    """Without a restart; the one of this machine stays."""
    api.tokens.replace([])
    assert (await api.ask("GET", "/v1/objections"))[0] == 401
    assert (await api.ask("GET", "/v1/objections", token=LOCAL))[0] == 200


async def test_whoever_asks_too_often_waits(api):
    """Twice the rate at once, then the rate; others are not slowed down."""
    for _ in range(20):
        assert (await api.ask("GET", "/v1/objections"))[0] == 200
    status, body, headers = await api.ask("GET", "/v1/objections")
    assert (status, body["error"], headers["Retry-After"]) == (429, "too-many-requests", "1")
    assert (await api.ask("GET", "/v1/objections", token=LOCAL))[0] == 200
    api.now_s[0] += 0.1
    assert (await api.ask("GET", "/v1/objections"))[0] == 200
    assert (await api.ask("GET", "/v1/objections"))[0] == 429


async def test_guessing_is_slowed_down_and_does_not_lock_out_those_who_have_a_token(api):
    """A wrong token counts for its address, a right one is looked at all the same."""
    statuses = [(await api.ask("GET", "/v1/objections", token="rf_guess"))[0] for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert (await api.ask("GET", "/v1/objections"))[0] == 200


@pytest.mark.parametrize(
    ("data", "headers", "status", "error"),
    [
        (b"{", {}, 400, "bad-request"),
        (b"[]", {}, 400, "bad-request"),
        (b"\xff", {}, 400, "bad-request"),
        (b"[" * 9000, {}, 400, "bad-request"),
        (b'{"a": "' + b"x" * MOST_BODY_BYTES + b'"}', {}, 413, "too-large"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "not-json"),
        (b"{}", {"Idempotency-Key": "k" * 101}, 422, "invalid"),
    ],
)
async def test_a_body_that_is_none_is_refused(api, data, headers, status, error):
    """Each with a status of its own, and nothing is asked."""
    headers = {"Content-Type": "application/json"} | headers
    answer = await api.ask("POST", "/v1/objections", data=data, headers=headers)
    assert (answer[0], answer[1]["error"]) == (status, error)
    assert api.desk.asked == []


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [
        (InputError("`number` is missing"), 422, "invalid"),
        (NoSuchCallError("the call has just ended"), 404, "not-found"),
        (NotRecordedError("secret path /var/x"), 503, "not-recorded"),
        (LedgerUnavailableError("secret path /var/x"), 503, "unavailable"),
        (ManagerLostError("not connected"), 503, "unavailable"),
        (ActionRefusedError("Permission denied"), 502, "asterisk-refused"),
        (RuntimeError("secret path /var/x"), 500, "internal-error"),
    ],
)
async def test_what_goes_wrong_is_told_and_nothing_of_ours_leaks(api, raised, status, error):
    """A program can tell whether to try again."""
    api.desk.error = raised
    answer = await api.ask("POST", "/v1/transfer", body={"channel": "x"})
    assert (answer[0], answer[1]["error"]) == (status, error)
    assert "secret" not in json.dumps(answer[1])
    assert ("Retry-After" in answer[2]) == (status == 503)


async def test_what_is_not_there_is_told_in_json_too(api):
    """Also a wrong method; and health needs no token."""
    assert (await api.ask("GET", "/v1/nothing"))[1]["error"] == "not-found"
    assert (await api.ask("DELETE", "/v1/objections"))[1]["error"] == "method-not-allowed"
    assert (await api.ask("GET", "/v1/objections?a=1&a=2"))[1]["error"] == "bad-request"
    assert (await api.ask("GET", "/healthz", token=""))[0] == 200


async def test_a_body_that_trickles_in_is_not_waited_for(api, monkeypatch):
    """A connection that stops in the middle holds nothing up."""
    monkeypatch.setattr("asterisk_plugin.admin.api.BODY_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    head = (
        f"POST /v1/objections HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALL}\r\nContent-Type: application/json\r\n"
    )
    writer.write(f"{head}Content-Length: 20\r\n\r\n{{".encode())
    async with asyncio.timeout(4):  # less than it would take without the line above
        assert b" 408 " in await reader.readline()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def test_a_rate_limit_forgets_who_was_away_longest():
    """Addresses come from outside: they must not fill the memory."""
    limit = RateLimit(1, clock=lambda: 0.0, most_names=2)
    for name in ("a", "a", "b", "c"):
        assert limit.wait_s(name) == 0
    assert limit.wait_s("a") == 0  # was forgotten
    assert len(limit._left) == 2


def test_tokens_cannot_be_guessed_or_read_back():
    """Each is new, recognisable, and kept as a digest only."""
    first, second = new_token(), new_token()
    assert first != second
    assert first.startswith("rf_")
    assert len(first) >= 46
    assert first not in digest_of(first)


async def spoken(api, data: bytes) -> bytes:
    """What the service says to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        writer.write(data)
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def head(*lines: str, token: str = ALL) -> bytes:
    more = (f"Authorization: Bearer {token}", "Content-Type: application/json", "Connection: close", *lines)
    return "\r\n".join(("POST /v1/objections HTTP/1.1", "Host: x", *more, "", "")).encode()


@pytest.mark.parametrize("token", [ALL, "rf_guess"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
async def test_a_compressed_body_is_refused_unread(api, token, encoding):
    """It could be a thousand times as long as what was sent."""
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    answer = await api.ask("POST", "/v1/objections", token=token, data=gzip.compress(b"{}"), headers=headers)
    assert (answer[0], answer[1]["error"]) == (415, "encoded")
    assert api.desk.asked == []
    headers["Content-Encoding"] = "identity"
    assert (await api.ask("POST", "/v1/objections", data=b"{}", headers=headers))[0] == 201


async def test_a_bomb_of_a_body_is_not_unpacked_for_anybody(api):
    """That would hold up the loop that answers calls; not even by a route that reads no body."""
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    sent = head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}", token="rf_guess") + bomb
    since_s = time.process_time()
    for _ in range(5):
        await spoken(api, sent)
        await spoken(api, sent.replace(b"/v1/objections", b"/healthz"))
    assert time.process_time() - since_s < 0.5  # unpacked it is 2 GB


@pytest.mark.parametrize(
    "sent",
    [
        head("Transfer-Encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n",
        head("Transfer-Encoding: chunked") + b"2\r\n{}+31612345001\r\n0\r\n\r\n",
        head("Content-Length: 2", "Content-Length: 3") + b"{}",
        head("Content-Length: +31612345001") + b"{}",
        head("Content-Length: 2", "Transfer-Encoding: chunked") + b"{}",
        head("Bad\x00Header+31612345001: x", "Content-Length: 2") + b"{}",
        f"GET /v1/objections?number=+31612345001 {ALL} HTTP/1.1\r\n\r\n".encode(),
        f"{ALL} +31612345001\r\n\r\n".encode(),
        f"GET http://[+31612345001/{ALL} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        f"GET /healthz HTTP/1.1\r\nHost: x\r\nX: {ALL}{'+31612345001' * 1000}\r\n\r\n".encode(),
        f"GET /{ALL}{'+31612345001' * 1000} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    ],
)
async def test_what_is_no_http_is_answered_and_neither_repeated_nor_logged(api, caplog, sent):
    """It may hold a token, or somebody's number."""
    with caplog.at_level(logging.DEBUG):
        said = await spoken(api, sent)
    assert said.split(b" ")[1] == b"400"
    for told in (said.decode(), caplog.text):
        assert ALL not in told
        assert "31612345001" not in told
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert api.desk.asked == []


async def test_a_request_that_ends_in_the_middle_of_its_body_is_no_fault_of_ours(api, caplog):
    """The peer has gone away."""
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head("Content-Length: 20") + b"{")
    await writer.drain()
    writer.transport.abort()
    await api.ask("GET", "/healthz", token="")
    assert "31612345001" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_aiohttp_says_of_a_broken_body_is_not_logged(caplog):
    """Its parser in Python repeats what was sent, the one in C does not."""
    server = HttpServer(make_application(CollectorRegistry(), dict, version="1"), HttpSettings(port=0))
    await server.start()
    for fault in (BadHttpMessage("zz+31612345001"), RequestPayloadError("zz+31612345001")):
        server._connection().log_exception("Unhandled exception", exc_info=fault)
    assert caplog.text == ""
    server._connection().log_exception("Unhandled exception", exc_info=RuntimeError("a bug"))
    assert "a bug" in caplog.text
    await server.stop()


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_without_a_whole_header_is_closed(api, begun):
    """Also after a request that was whole."""
    assert await spoken(api, begun) == b""
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await spoken(api, whole + begun)).count(b"HTTP/1.1 200") == 1


async def test_more_connections_than_allowed_are_closed_at_once(api):
    """Also of those that come in one burst; once they have gone there is room again."""
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert sorted(b" 200 " in said for said in await asyncio.gather(*(spoken(api, whole) for _ in range(10)))) == [
        *[False] * 6,
        *[True] * 4,
    ]
    assert b" 200 " in await spoken(api, whole)


ROUTE = re.compile(r"^\| `(GET|POST) ([^`]+)` \| (?:`(\w+)`|–) \|", re.MULTILINE)
STATUS = re.compile(r"^\| (\d{3}) \| (.+?) \| ", re.MULTILINE)


def test_the_readme_lists_every_route_and_its_right():
    """And no other; and the same statuses as the API itself."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    section = text.partition("## The HTTP API\n")[2].partition("\n## ")[0]
    tokens = Tokens([])
    application = make_application(
        CollectorRegistry(), dict, version="1", api=Api(FakeDesk(), tokens, requests_per_s=1, clock=lambda: 0.0)
    )
    routes = {
        (route.method, route.resource.canonical) for route in application.router.routes() if route.method != "HEAD"
    }
    assert {(method, path) for method, path, _ in ROUTE.findall(section)} == routes
    assert {path for _, path, right in ROUTE.findall(section) if not right} == {"/healthz", "/readyz", "/metrics"}
    assert STATUS.findall(section) == STATUS.findall(api_module.__doc__)
    assert len(STATUS.findall(section)) > 10
    assert "Plain HTTP" in section


async def test_the_right_in_the_readme_is_the_one_that_is_asked_for(api):
    """With every other right the answer is 403."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    rights = {"enter", "read", "transfer"}
    listed = [(method, path, right) for method, path, right in ROUTE.findall(text) if right]
    assert len(listed) == 6
    for method, path, right in listed:
        for may, expected in ((rights - {right}, True), ({right}, False)):
            api.tokens.replace([TokenSettings(name="x", sha256=digest_of(ALL), may=tuple(may))])
            status, _, _ = await api.ask(method, path.replace("{name}", "0123456").replace("{id}", "spring"), body={})
            assert (status == 403) is expected, (method, path, may)
