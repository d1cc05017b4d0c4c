"""The API under `/v1`: objections and refusals entered by other programs, a campaign's pace, calls sent on.

Every request needs `Authorization: Bearer TOKEN`. Bodies are JSON objects; so is every answer. What goes wrong
is told as `{"error": "…", "detail": "…"}` with a status of its own:

| status | error | when |
|---|---|---|
| 400 | `bad-request` | no HTTP, no JSON object, an incomplete body, a parameter given twice |
| 401 | `unauthorized` | no token, or a wrong one |
| 403 | `forbidden` | the token has not this right |
| 404 | `not-found` | no such objection, call or campaign |
| 405 | `method-not-allowed` | |
| 408 | `too-slow` | the body did not arrive in time |
| 413 | `too-large` | the body has more than 16 KiB |
| 415 | `not-json`, `encoded` | the body is of another type, or compressed |
| 422 | `invalid` | a value cannot be used, or a name is unknown; `detail` says which, and what is allowed |
| 429 | `too-many-requests` | `Retry-After` says how many seconds to wait |
| 500 | `internal-error` | a bug; the log says more |
| 502 | `asterisk-refused` | Asterisk would not do it |
| 503 | `not-recorded`, `unavailable` | nothing was recorded, or what is needed is away: try again |

`POST /v1/objections` answers 201 only when the objection is on disk. With an `Idempotency-Key` header the
same request may be made again after a doubt, for 24 h: it is recorded once, or, while the ledger cannot be
read, once more. An objection that was withdrawn meanwhile is recorded anew; so is one with another wording.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from asterisk_plugin.admin.tokens import ENTER, READ, REFUSED_PER_S, TRANSFER, RateLimit
from asterisk_plugin.core.register import as_values
from asterisk_plugin.errors import (
    InputError,
    LedgerError,
    ManagerError,
    ManagerLostError,
    NoSuchCallError,
    NotRecordedError,
    RingfenceError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from asterisk_plugin.admin.tokens import Client, Tokens
    from asterisk_plugin.core.register import Entry

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BODY_BYTES = 16 * 1024
BODY_TIMEOUT_S = 5.0
MOST_KEY_CHARS = 100

_log = logging.getLogger("ringfence.api")


class Page(Protocol):
    """Some entries of the register, newest first."""

    @property
    def entries(self) -> Sequence[Entry]:
        """They."""
        ...

    @property
    def before(self) -> int:
        """Where the next page begins, 0 for nowhere."""
        ...


class Desk(Protocol):
    """What the API has done; every method raises InputError for a value that cannot be used."""

    async def enter(self, values: Mapping[str, Any], *, token: str, key: str) -> Mapping[str, Any]:
        """Record an objection; NotRecordedError when it is nowhere on disk."""
        ...

    async def find(self, asked: Mapping[str, str]) -> Page:
        """Objections that somebody asks for."""
        ...

    async def refuse(self, values: Mapping[str, Any], *, token: str, key: str) -> Mapping[str, Any]:
        """Record a refusal; LedgerError when it is not on disk for certain."""
        ...

    async def pace(self, campaign: str, asked: Mapping[str, str]) -> Mapping[str, Any] | None:
        """How many calls of a campaign may be started without an agent; None when there is no such campaign."""
        ...

    async def named(self, name: str) -> Sequence[Entry]:
        """Objections with this id or reference."""
        ...

    async def transfer(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send the person of a running call to the objection line."""
        ...


class Refusal(Exception):
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        error: The word for programs.
        detail: The sentence for people.
        headers: More headers of the answer.
    """

    def __init__(self, status: int, error: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.error = error
        self.headers = headers
        super().__init__(detail)


class Api:
    """The routes under `/v1`.

    Args:
        desk: Does what is asked.
        tokens: Who may ask.
        requests_per_s: How often each may.
        clock: Seconds that only go forward.
    """

    def __init__(self, desk: Desk, tokens: Tokens, *, requests_per_s: float, clock: Callable[[], float]) -> None:
        self._desk = desk
        self._tokens = tokens
        self._limit = RateLimit(requests_per_s, clock=clock)
        self._refused = RateLimit(REFUSED_PER_S, clock=clock)

    def add_to(self, application: web.Application) -> None:
        """Add the routes to an application that takes bodies of at most `MOST_BODY_BYTES`."""
        api = web.Application(middlewares=[_answer_in_json])
        api.router.add_post("/objections", self._for(ENTER, self._enter))
        api.router.add_get("/objections", self._for(READ, self._find))
        api.router.add_get("/objections/{name}", self._for(READ, self._named))
        api.router.add_post("/refusals", self._for(ENTER, self._refuse))
        api.router.add_get("/campaigns/{id}/pace", self._for(READ, self._pace))
        api.router.add_post("/transfer", self._for(TRANSFER, self._transfer))
        application.add_subapp("/v1", api)

    def _for(self, right: str, answer: Callable[[web.Request, Client], Awaitable[web.Response]]) -> Handler:
        """A handler for whoever has a token with this right and does not ask too often."""

        async def handler(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                raise Refusal(415, "encoded", "send the body as it is, without `Content-Encoding`")
            return await answer(request, self._admit(request, right))

        return handler

    def _admit(self, request: web.Request, right: str) -> Client:
        address = request.remote or ""
        client = self._tokens.whose(request.headers.get("Authorization", ""))
        if client is None:
            if wait_s := self._refused.wait_s(address):
                raise _too_many(wait_s)
            headers = {"WWW-Authenticate": 'Bearer realm="ringfence"'}
            raise Refusal(401, "unauthorized", "send `Authorization: Bearer TOKEN`", headers)
        if wait_s := self._limit.wait_s(client.name):
            raise _too_many(wait_s)
        if right not in client.may:
            raise Refusal(403, "forbidden", f"token `{client.name}` may not `{right}`")
        return client

    async def _enter(self, request: web.Request, client: Client) -> web.Response:
        key, values = _key(request), await _body(request)
        return _json(await self._desk.enter(values, token=client.name, key=key), status=201)

    async def _refuse(self, request: web.Request, client: Client) -> web.Response:
        key, values = _key(request), await _body(request)
        return _json(await self._desk.refuse(values, token=client.name, key=key), status=201)

    async def _pace(self, request: web.Request, _: Client) -> web.Response:
        found = await self._desk.pace(request.match_info["id"], _parameters(request))
        if found is None:
            raise Refusal(404, "not-found", "there is no such campaign")
        return _json(found)

    async def _find(self, request: web.Request, _: Client) -> web.Response:
        page = await self._desk.find(_parameters(request))
        found: dict[str, Any] = {"objections": [as_values(entry) for entry in page.entries]}
        return _json(found | {"before": page.before or None})

    async def _named(self, request: web.Request, _: Client) -> web.Response:
        entries = await self._desk.named(request.match_info["name"])
        if not entries:
            raise Refusal(404, "not-found", "there is no such objection")
        return _json({"objections": [as_values(entry) for entry in entries]})

    async def _transfer(self, request: web.Request, _: Client) -> web.Response:
        return _json(await self._desk.transfer(await _body(request)))


@web.middleware
async def _answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into an answer; nothing of ours leaks into it."""
    try:
        return await handler(request)
    except Refusal as exc:
        refusal = exc
    except RingfenceError as exc:
        refusal = _refusal_of(exc)
        if refusal.status >= 500:
            _log.warning("%s %s: %s", request.method, _route(request), exc)
    except web.HTTPException as exc:
        refusal = _refusal_of_http(exc)
    except Exception:  # noqa: BLE001 - the boundary: a bug of ours must not look like anything else
        _log.exception("%s %s failed", request.method, _route(request))
        refusal = Refusal(500, "internal-error", "the log of the service says more")
    body = {"error": refusal.error, "detail": str(refusal)}
    return web.json_response(body, status=refusal.status, headers=refusal.headers)


def _refusal_of(exc: RingfenceError) -> Refusal:
    match exc:
        case NoSuchCallError():
            return Refusal(404, "not-found", str(exc))
        case InputError():
            return Refusal(422, "invalid", str(exc))
        case NotRecordedError():
            return Refusal(503, "not-recorded", "the objection could not be recorded, try again", _RETRY)
        case LedgerError():
            return Refusal(503, "unavailable", "the ledger does not answer, try again", _RETRY)
        case ManagerLostError():
            return Refusal(503, "unavailable", str(exc), _RETRY)
        case ManagerError():
            return Refusal(502, "asterisk-refused", str(exc))
        case _:
            return Refusal(503, "unavailable", "what is needed is away, try again", _RETRY)


def _refusal_of_http(exc: web.HTTPException) -> Refusal:
    match exc:
        case web.HTTPRequestEntityTooLarge():
            return Refusal(413, "too-large", f"a body may have {MOST_BODY_BYTES} bytes")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(exc.allowed_methods))
            return Refusal(405, "method-not-allowed", f"allowed: {allowed}", {"Allow": allowed})
        case web.HTTPNotFound():
            return Refusal(404, "not-found", "there is nothing here")
        case _:
            return Refusal(exc.status, "bad-request", exc.reason.lower())


_RETRY = {"Retry-After": "1"}


def _route(request: web.Request) -> str:
    """What was asked, without what was asked for: a path may hold somebody's number."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "?"


def _too_many(wait_s: float) -> Refusal:
    return Refusal(429, "too-many-requests", "ask less often", {"Retry-After": str(math.ceil(wait_s))})


def _key(request: web.Request) -> str:
    """What names the request, empty when nothing does."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > MOST_KEY_CHARS or not key.isprintable():
        raise Refusal(422, "invalid", f"Idempotency-Key may have {MOST_KEY_CHARS} printable characters")
    return key


def _parameters(request: web.Request) -> Mapping[str, str]:
    if len(set(request.query)) != len(request.query):
        raise Refusal(400, "bad-request", "a parameter is given twice")
    return dict(request.query)


async def _body(request: web.Request) -> Mapping[str, Any]:
    # A page of another origin cannot send this type without asking first, and nobody here answers that.
    if request.content_type != "application/json":
        raise Refusal(415, "not-json", "send `Content-Type: application/json`")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            values = json.loads(await request.read())
    except TimeoutError:
        raise Refusal(408, "too-slow", "the body did not arrive in time") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(400, "bad-request", "the body did not arrive whole") from None
    except (ValueError, RecursionError):
        raise Refusal(400, "bad-request", "the body is no JSON") from None
    if not isinstance(values, dict):
        raise Refusal(400, "bad-request", "the body is no JSON object")
    return values


def _json(values: Mapping[str, Any], *, status: int = 200) -> web.Response:
    # Numbers of people: nobody in between may keep them.
    return web.json_response(dict(values), status=status, headers={"Cache-Control": "no-store"})
