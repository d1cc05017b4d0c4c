"""A site with a data directory of its own and the command line to keep its records; shared by several tests."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from asterisk_plugin.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ANNE, BERT = "+31612345001", "+31612345002"
CONSENT_HEADER = ("number", "principal", "purpose", "product", "given_at", "expires_at", "name", "wording")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Desk:
    """The shipped example configuration over one data directory."""

    folder: Path

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def run(self, *arguments: str) -> Said:
        result = CliRunner().invoke(app, ["--data-dir", str(self.data_dir), *arguments])
        return Said(result.exit_code, result.stdout, result.stderr)

    def history(self, number: str) -> list[dict[str, Any]]:
        said = self.run("consent", "show", number, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)

    def rows(self) -> int:
        """Rows of the ledger, which must verify; 0 when there is none."""
        if not (self.data_dir / "ledger.sqlite").exists():
            return 0
        said = self.run("evidence", "verify", "--json")
        assert said.code == 0, said.err
        return int(json.loads(said.out)["rows"])

    def write(self, name: str, text: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def write_consents(self, name: str, numbers: Sequence[str], *, given: str = "2026-01-15") -> str:
        path = self.folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(CONSENT_HEADER)
            for number in numbers:
                out.writerow([number, "tulip", "sales", "electricity", given, "", "A. Person", "Yes."])
        return str(path)
