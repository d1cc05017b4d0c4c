"""HTTP for machines: `/healthz`, `/readyz`, `/metrics`, and the API of `api.py` under `/v1`.

- `/healthz` 200 while the process answers at all.
- `/readyz` 200 when every part can do its work, 503 otherwise; the body names each part.
- `/metrics` in the Prometheus text format.

The calls of this process share its event loop: what anybody can send without a token is bounded. Few connections,
each closed when no whole request has come in time; bodies are never decompressed; what is no HTTP is answered 400
and neither repeated nor logged, because it may hold a token or somebody's number.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from asterisk_plugin.admin.api import MOST_BODY_BYTES
from asterisk_plugin.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry

    from asterisk_plugin.admin.api import Api
    from asterisk_plugin.settings.service import HttpSettings

    Parts = Callable[[], Mapping[str, str]]
    """Each part's state by name: `ok`, or a sentence that says what is wrong."""


_log = logging.getLogger("ringfence.http")


def make_application(
    registry: CollectorRegistry, parts: Parts, *, version: str, api: Api | None = None
) -> web.Application:
    """The routes.

    Args:
        registry: Metrics to show.
        parts: Says the state of each part at this moment.
        version: Version of the configuration in force is part of `parts`; this is the program's.
        api: What other programs may do; None where there is no API.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": version})

    async def readyz(_: web.Request) -> web.Response:
        states = dict(parts())
        broken = [name for name, state in states.items() if state != "ok"]
        body = {"ready": not broken, "not_ready": broken, "parts": states}
        return web.json_response(body, status=503 if broken else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application(client_max_size=MOST_BODY_BYTES)
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    if api is not None:
        api.add_to(application)
    return application


class HttpServer:
    """The HTTP server of one service.

    Args:
        application: Its routes.
        settings: Where it listens, and for how many.
    """

    def __init__(self, application: web.Application, settings: HttpSettings) -> None:
        self._runner = web.AppRunner(application, access_log=None)
        self._settings = settings
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            StartupError: The port is taken.
        """
        await self._runner.setup()
        loop, settings = asyncio.get_running_loop(), self._settings
        try:
            self._listener = await loop.create_server(self._connection, settings.host, settings.port)
        except OSError as exc:
            await self._runner.cleanup()
            where = f"{settings.host}:{settings.port}"
            raise StartupError(
                f"HTTP cannot listen on `{where}` (http.host, http.port): {(exc.strerror or str(exc)).lower()}"
            ) from exc

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._listener is not None, "start() comes first"
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end open requests."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    def _connection(self) -> web.RequestHandler:
        server = self._runner.server
        assert server is not None, "the runner was set up"
        return _Connection(server, self._settings)


class _Connection(web.RequestHandler):
    """One connection of a peer that may be anybody."""

    __slots__ = ("_most", "_server")

    def __init__(self, server: web.Server, settings: HttpSettings) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            # Also the time for the first request, and for each one after it.
            keepalive_timeout=settings.header_timeout_s,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # none is what aiohttp calls no access log
        )
        self._server = server
        self._most = settings.max_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._server.connections) >= self._most:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        super().connection_made(transport)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        answer = web.json_response({"error": "bad-request", "detail": "this is no HTTP request"}, status=400)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        if isinstance(kw.get("exc_info"), (HttpProcessingError, web.RequestPayloadError)):
            _log.debug("a request broke off in the middle of what it sent")
            return
        super().log_exception(*args, **kw)
