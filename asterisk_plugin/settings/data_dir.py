"""The data directory: what a service keeps, and the lock that says it is the only one.

| file | what |
|---|---|
| `lock` | held (flock) while a service runs |
| `secret` | key of the person tags; losing it loses every objection |
| `ledger.sqlite` | the evidence, unless `[ledger] url` says otherwise |
| `valkey/` | the embedded store |
| `spool/` | objections that ledger or store have not taken yet |
| `active` | the configuration in force, for workers and for `ringfence-agi` |
| `run.json` | process id, addresses and last reload of the running service |
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from asterisk_plugin.errors import AlreadyRunningError, StartupError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths inside one data directory.

    Args:
        path: The directory.
    """

    path: Path

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the embedded ledger."""
        return f"sqlite:///{self.path / 'ledger.sqlite'}"

    @property
    def spool(self) -> Path:
        """Where objections wait for ledger and store."""
        return self.path / "spool"

    @property
    def active(self) -> Path:
        """The configuration in force: a link to a directory that is written once and never changed."""
        return self.path / "active"

    @property
    def is_used(self) -> bool:
        """Whether a service or a command has ever recorded anything here."""
        return any((self.path / name).exists() for name in ("run.json", "secret", "ledger.sqlite", "spool"))

    def prepare(self) -> None:
        """Make the directory, readable by its owner only.

        Raises:
            StartupError: It cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
            probe = self.path / ".probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as exc:
            raise StartupError(f"data directory `{self.path}` cannot be used: {exc.strerror or exc}") from exc

    def lock(self) -> IO[str]:
        """Take the lock; it holds until the returned file is closed or the process ends.

        Raises:
            AlreadyRunningError: Another service runs on this directory.
        """
        file = (self.path / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            file.close()
            raise AlreadyRunningError(
                f"another service runs on data directory `{self.path}`; stop it or choose another `data_dir`"
            ) from exc
        return file

    def secret(self, file: Path | None = None) -> bytes:
        """Read the key of the person tags; the embedded one is made on first use.

        Args:
            file: The admin's own, shared by several nodes; None for the embedded one.

        Raises:
            StartupError: It cannot be read or is too short.
        """
        path = file or self.path / "secret"
        if file is None and not path.exists():
            self._make_secret(path)
        try:
            secret = path.read_bytes().strip()
        except OSError as exc:
            raise StartupError(f"secret `{path}` cannot be read: {exc.strerror or exc}") from exc
        if len(secret) < SECRET_BYTES:
            raise StartupError(f"secret `{path}` has {len(secret)} bytes; {SECRET_BYTES} or more are needed")
        return secret

    @staticmethod
    def _make_secret(path: Path) -> None:
        """Write a new secret whole or not at all, so that two first starts agree on one."""
        draft = path.with_name(f".secret-{os.getpid()}")
        try:
            with draft.open("xb") as out:
                os.fchmod(out.fileno(), 0o600)
                out.write(secrets.token_hex(SECRET_BYTES).encode() + b"\n")
                out.flush()
                os.fsync(out.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first; its secret is the one
        except OSError as exc:
            raise StartupError(f"secret `{path}` cannot be written: {exc.strerror or exc}") from exc
        finally:
            draft.unlink(missing_ok=True)

    def write_active(self, texts: Mapping[str, str], version: str) -> None:
        """Keep the configuration that is now in force, all files or none.

        A reader that has resolved `active` once reads one configuration, whole; the one before stays for it.

        Args:
            texts: File name relative to the configuration directory -> text.
            version: Names this configuration.

        Raises:
            StartupError: It cannot be written; what was in force stays.
        """
        try:
            before = self.active.resolve() if self.active.is_symlink() else None
            folder = Path(tempfile.mkdtemp(prefix=f"active-{version}-", dir=self.path))
            for name, text in texts.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            link = self.path / ".active"
            link.unlink(missing_ok=True)
            link.symlink_to(folder.name)
            link.rename(self.active)
        except OSError as exc:
            raise StartupError(f"configuration cannot be kept in `{self.path}`: {exc.strerror or exc}") from exc
        for old in self.path.glob("active-*"):
            if old not in (folder, before):
                shutil.rmtree(old, ignore_errors=True)

    def write_run(self, values: Mapping[str, Any]) -> None:
        """Say what runs here: process id, addresses, last reload."""
        draft = self.path / ".run.json"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(dict(values), indent=2) + "\n", encoding="utf-8")
        draft.rename(self.path / "run.json")

    def read_run(self) -> dict[str, Any]:
        """What the running (or last) service said; empty when none ever ran."""
        try:
            values = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def is_running(self) -> bool:
        """Whether a service holds the lock now."""
        try:
            self.lock().close()
        except AlreadyRunningError:
            return True
        except OSError:
            return False
        return False
