"""Commands that ask the running service, with the token it made for this machine."""

from __future__ import annotations

import http.client
import ipaddress
import json
from typing import TYPE_CHECKING, Any

from asterisk_plugin.errors import InputError, StartupError
from asterisk_plugin.settings.data_dir import DataDir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.settings.load import Loaded

TIMEOUT_S = 15.0


def ask_service(loaded: Loaded, method: str, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Send one request to the service of this data directory.

    Args:
        loaded: The configuration.
        method: `POST`.
        path: `/v1/transfer`.
        values: The body.

    Returns:
        What it answered.

    Raises:
        StartupError: No service runs there, or it does not answer.
        InputError: It refused; says why.
    """
    run = DataDir(loaded.data_dir).read_run()
    port, token = run.get("http_port"), run.get("http_token")
    if not port or not token:
        raise StartupError(f"no service runs on data directory `{loaded.data_dir}`")
    connection = http.client.HTTPConnection(_reachable(loaded.service.http.host), int(port), timeout=TIMEOUT_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(dict(values)), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise StartupError(f"the service on data directory `{loaded.data_dir}` does not answer: {exc}") from exc
    finally:
        connection.close()
    if answer.status >= 400:
        raise InputError(str(body.get("detail") or f"the service answered {answer.status}"))
    return dict(body)


def _reachable(host: str) -> str:
    """Where a service that listens there is reached from its own machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"
