"""Choosing the client that an address asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.store.address import Kind, parse_address
from asterisk_plugin.store.cluster_client import ClusterClient
from asterisk_plugin.store.server_client import ServerClient

if TYPE_CHECKING:
    from asterisk_plugin.store.client import StoreClient


def open_client(url: str, *, timeout_s: float, connections: int = 1) -> StoreClient:
    """A client for an address; it connects when it is first used.

    Args:
        url: `redis://`, `rediss://`, `unix://`, `sentinel://` or `cluster://`; see `address.py`.
        timeout_s: Longest wait for one answer.
        connections: How many are kept open.

    Raises:
        StartupError: The address cannot be read.
    """
    address = parse_address(url)
    if address.kind is Kind.CLUSTER:
        return ClusterClient(address, timeout_s=timeout_s, connections=connections)
    return ServerClient(address, timeout_s=timeout_s, connections=connections)
