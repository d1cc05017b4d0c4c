"""Reading the store's address."""

from __future__ import annotations

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from asterisk_plugin.errors import StartupError
from asterisk_plugin.store.address import Kind, masked, parse_address


def test_a_servers_address_gives_redis_pys_options():
    """Host, port, database and credentials, unquoted."""
    address = parse_address("redis://us%40er:pass%3Aword@h.example:6380/3")
    assert address.kind is Kind.SERVER
    assert address.connection_class is Connection
    assert address.options == {
        "host": "h.example", "port": 6380, "db": 3, "username": "us@er", "password": "pass:word",
    }  # fmt: skip
    assert parse_address("rediss://h?ssl_ca_certs=/ca.pem").connection_class is SSLConnection
    unix = parse_address("unix://:secret@/run/v.sock?db=2")
    assert unix.connection_class is UnixDomainSocketConnection
    assert unix.options == {"path": "/run/v.sock", "db": 2, "password": "secret"}


def test_a_sentinels_address_names_nodes_master_and_database():
    """Ports may be left out; Sentinel has a password of its own."""
    address = parse_address("sentinel://u:p@a:1,b,[::1]:3/my-master/4?sentinel_password=sp")
    assert address.kind is Kind.SENTINEL
    assert address.nodes == (("a", 1), ("b", 26379), ("::1", 3))
    assert address.master == "my-master"
    assert address.options == {"username": "u", "password": "p", "db": 4}
    assert address.sentinel_options == {"password": "sp"}


def test_a_clusters_address_names_its_seeds():
    """Any of them will do."""
    address = parse_address("cluster://:p@a:1,b:2")
    assert (address.kind, address.nodes) == (Kind.CLUSTER, (("a", 1), ("b", 2)))
    assert address.options == {"password": "p"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://h",
        "localhost:6379",
        "unix://",
        "redis://h:port",
        "redis://h?db=x",
        "sentinel://u:geheim@a:1",
        "sentinel://a:1/m/x",
        "sentinel://a:1/m?other=1",
        "cluster://u:geheim@a:1/2",
        "cluster://a:1,:2",
        "cluster://a:99999",
    ],
)
def test_an_address_that_cannot_be_read_is_a_startup_error(url):
    """One line, without the password."""
    with pytest.raises(StartupError) as caught:
        parse_address(url)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_never_shown():
    """Neither in messages nor in the value's own text."""
    for url in ("redis://u:geheim@h/1", "rediss://h?password=geheim", "cluster://:ge/h@eim@h:1"):
        assert "geheim" not in masked(url)
        assert "eim@" not in masked(url)
    assert "geheim" not in repr(parse_address("redis://u:geheim@h/1"))
