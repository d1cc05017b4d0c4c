"""Free ports and child processes that cannot outlive us."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def free_udp_port(host: str) -> int:
    """Return a UDP port that was free on `host` a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def free_tcp_port(host: str) -> int:
    """Return a TCP port that was free on `host` a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def free_rtp_ports(count: int = 400) -> tuple[int, int]:
    """Return (first, last) of a stretch of UDP ports that looks free: both ends and the middle are."""
    for _ in range(50):
        first = free_udp_port("127.0.0.1") & ~1
        last = first + count - 1
        if last < 65535 and all(_is_free(port) for port in (first, first + count // 2, last)):
            return first, last
    raise RuntimeError("no free stretch of UDP ports")


def die_with_parent() -> Callable[[], None]:
    """Return what a child runs before it becomes its program: the kernel kills it when we are gone."""
    parent = os.getpid()

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl took effect
            os._exit(1)

    return arrange


async def end_process(process: asyncio.subprocess.Process, *, patience_s: float = 5) -> int:
    """Ask a process to end, then make it; returns its exit code (negative: signal)."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), patience_s)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
