"""HTTP for machines: `/healthz`, `/readyz`, `/metrics`, and the API of `api.py` under `/v1`.

- `/healthz` 200 while the process answers at all.
- `/readyz` 200 when every part can do its work, 503 otherwise; the body names each part.
- `/metrics` in the Prometheus text format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
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
        settings: Where it listens.
    """

    def __init__(self, application: web.Application, settings: HttpSettings) -> None:
        self._runner = web.AppRunner(application, access_log=None)
        self._settings = settings

    async def start(self) -> None:
        """Listen.

        Raises:
            StartupError: The port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
        try:
            await site.start()
        except OSError as exc:
            await self._runner.cleanup()
            where = f"{self._settings.host}:{self._settings.port}"
            raise StartupError(
                f"HTTP cannot listen on `{where}` (http.host, http.port): {(exc.strerror or str(exc)).lower()}"
            ) from exc

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening and end open requests."""
        await self._runner.cleanup()
