"""Get an Asterisk that can be run, without touching the machine's own set-up.

An Asterisk that is installed is used when it serves. Else a Debian suite's packages are
unpacked into a private folder and run through that folder's own dynamic loader: no chroot, so
whatever Asterisk starts (`AGI(ringfence-agi)`) sees the normal file system.

`python -m tests.lab.provision` does it ahead of time and says what will be used.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE_VARIABLE = "RINGFENCE_LAB_SUITE"
DEFAULT_SUITE = "sid"

_MORE_PACKAGES = {"bullseye": ("asterisk-voicemail",), "buster": ("asterisk-voicemail",)}
"""What the lab needs besides the package `asterisk`, where a suite keeps it apart: the carrier's mailboxes."""

_MODULE_OF_EVERY_BUILD = "app_dial.so"
_PCAP_SINCE = {16: 11, 17: 5}
"""`pjsip set logger pcap`, the carrier's witness, came with 16.11 and 17.5; every later major has it."""


class ProvisionError(Exception):
    """The lab's Asterisk cannot be had: what was tried and what would help."""


@dataclass(frozen=True, slots=True)
class AsteriskProgram:
    """An Asterisk that can be started.

    Args:
        command: Words that start it; options follow.
        modules: Folder of its modules.
        data: Its data folder (documentation, sounds).
        version: (22, 10, 1).
    """

    command: tuple[str, ...]
    modules: Path
    data: Path
    version: tuple[int, ...]


def find_asterisk() -> AsteriskProgram:
    """Return an installed Asterisk that serves, else the private one, built when it is not there yet.

    `RINGFENCE_LAB_SUITE=bullseye` asks for that Debian suite's Asterisk and for no other.

    Raises:
        ProvisionError: There is none and none can be built here.
    """
    suite = os.environ.get(SUITE_VARIABLE, "")
    if not suite and (installed := _installed()) is not None:
        return installed
    return _private(suite or DEFAULT_SUITE)


def find_faketime() -> Path:
    """Return libfaketime's library, installed when it is not there yet.

    Raises:
        ProvisionError: It cannot be installed here.
    """
    name = "faketime/libfaketime.so.1"
    folder = Path("/usr/lib") / _multiarch(Path("/")) / name
    if not folder.exists():
        _install_packages("faketime")
    return folder


def serves(version: tuple[int, ...]) -> bool:
    """Tell whether an Asterisk of this version can be the lab's."""
    major, minor = (*version, 0)[:2]
    return major >= 16 and minor >= _PCAP_SINCE.get(major, 0)


def read_version(text: str) -> tuple[int, ...]:
    """Read `Asterisk 22.10.1+dfsg` as (22, 10, 1).

    Raises:
        ProvisionError: There is no version in it.
    """
    match = re.match(r"Asterisk (?:certified/)?(\d+(?:\.\d+)*)", text)
    if match is None:
        raise ProvisionError(f"`{text.strip()}` names no Asterisk version")
    return tuple(int(part) for part in match[1].split("."))


def _installed() -> AsteriskProgram | None:
    command = shutil.which("asterisk", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if command is None:
        return None
    version = read_version(_output(command, "-V"))
    modules = next(
        (
            path.parent
            for pattern in ("lib/asterisk/modules", "lib64/asterisk/modules", "lib/*/asterisk/modules")
            for base in (Path("/usr"), Path("/usr/local"))
            for path in base.glob(f"{pattern}/{_MODULE_OF_EVERY_BUILD}")
        ),
        None,
    )
    data = next(
        (p for p in (Path("/usr/share/asterisk"), Path("/var/lib/asterisk")) if (p / "documentation").is_dir()),
        None,
    )
    if not serves(version) or modules is None or data is None:
        return None
    return AsteriskProgram((command,), modules, data, version)


def _private(suite: str) -> AsteriskProgram:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise ProvisionError(f"${SUITE_VARIABLE} is `{suite}`; a Debian suite such as `bullseye` is allowed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence" / "lab"
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / "-".join(("asterisk", suite, *(name.removeprefix("asterisk-") for name in _more(suite))))
    with _locked(cache / "lock"):
        if not root.is_dir():
            _build(root, suite)
    return _program_in(root)


def _more(suite: str) -> tuple[str, ...]:
    return _MORE_PACKAGES.get(suite, ())


def _build(root: Path, suite: str) -> None:
    if shutil.which("mmdebstrap") is None:
        _install_packages("mmdebstrap")
    unfinished = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    print(f"lab: fetching Asterisk from Debian {suite} into {root}", file=sys.stderr)
    command = (
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        f"--include={','.join(('asterisk', *_more(suite)))}",
        '--aptopt=APT::Install-Recommends "false"',
        # A mirror may lag behind; signatures are checked all the same.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        suite,
        str(unfinished),
        _mirror(),
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise ProvisionError(f"mmdebstrap could not fetch Asterisk from suite `{suite}`: {done.stderr[-800:]}")
        _program_in(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _program_in(root: Path) -> AsteriskProgram:
    """Read the folders from the unpacked packages: they differ between suites."""
    multiarch = _multiarch(root)
    folders = [root / "lib" / multiarch, root / "usr/lib" / multiarch, root / "usr/lib"]
    loaders = sorted(loader for folder in folders[:2] for loader in folder.glob("ld-linux*.so.*"))
    modules = sorted((root / "usr/lib").glob(f"**/asterisk/modules/{_MODULE_OF_EVERY_BUILD}"))
    if not loaders or not modules:
        raise ProvisionError(f"{root} holds no Asterisk; remove it and try again")
    libraries = ":".join(str(folder) for folder in folders if folder.is_dir())
    command = (str(loaders[0]), "--library-path", libraries, str(root / "usr/sbin/asterisk"))
    version = read_version(_output(*command, "-V"))
    return AsteriskProgram(command, modules[0].parent, root / "usr/share/asterisk", version)


def _multiarch(root: Path) -> str:
    """Name of the folder of this machine's kind, `x86_64-linux-gnu`."""
    for folder in (root / "usr/lib", root / "lib"):
        for libc in folder.glob("*-linux-gnu*/libc.so.6"):
            return libc.parent.name
    raise ProvisionError(f"{root} has no C library")


def _mirror() -> str:
    """First mirror of the machine's own apt sources that carries Debian itself.

    Raises:
        ProvisionError: This machine has no apt sources of Debian.
    """
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for file in lists:
        if not file.is_file():
            continue
        for line in file.read_text().splitlines():
            match = re.match(r"(?:URIs:|deb\s+(?:\[[^]]*\]\s+)?)\s*(\S+/debian/?)(?:\s|$)", line)
            if match:
                return match[1]
    raise ProvisionError("no Debian mirror in the apt sources; install Asterisk 16 or later yourself")


def _install_packages(*packages: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ProvisionError(f"please install: {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (("update", "-q"), ("install", "-qy", "--no-install-recommends", *packages)):
        done = subprocess.run(
            ("apt-get", *arguments),
            capture_output=True,
            text=True,
            check=False,
            env=env,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode:
        raise ProvisionError(f"apt-get could not install {' '.join(packages)}: {done.stderr[-400:]}")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    found = find_asterisk()
    print(f"Asterisk {'.'.join(map(str, found.version))}: {' '.join(found.command)}")
    print(f"libfaketime: {find_faketime()}")
