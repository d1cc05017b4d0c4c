"""The people that the demo and the live tests call, and what the records say about them.

Every number exists only in this lab. Records are entered through the command line, as an admin
would.
"""

from __future__ import annotations

import csv
import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.service import ServiceProcess

AGREED_NL = "+31612345001"
SECOND_NL = "+31612345002"
THIRD_NL = "+31612345003"
NO_CONSENT_NL = "+31612345101"
OBJECTED_NL = "+31612345102"
EXPIRED_NL = "+31612345103"
FORMER_CUSTOMER_NL = "+31612345104"
READER_NL = "+31612345105"
UNREADABLE_NL = "+31612345106"
AGREED_DE = "+493023125001"
OFTEN_CALLED_DE = "+493023125002"
REFUSED_DE = "+493023125004"
COMPANY_DE = "+493023125003"
PREMIUM_NL = "+319001234"
NORWEGIAN = "+4790012345"

CONSENTS = (
    # number, principal, product, months since it was given, days until it expires (None: not stated)
    (AGREED_NL, "tulip", "energy", 1, None),
    (SECOND_NL, "tulip", "energy", 1, None),
    (THIRD_NL, "tulip", "energy", 1, None),
    (OBJECTED_NL, "tulip", "energy", 1, None),
    (EXPIRED_NL, "tulip", "energy", 3, -10),
    (UNREADABLE_NL, "tulip", "energy", 1, None),
    (AGREED_DE, "linde", "fashion", 1, None),
    (OFTEN_CALLED_DE, "linde", "fashion", 1, None),
    (REFUSED_DE, "linde", "fashion", 1, None),
)


async def enter_records(service: ServiceProcess, folder: Path, *, now: dt.datetime | None = None) -> None:
    """Import the consents and relationships and record the objection.

    Args:
        service: Its command line is used; it need not run yet.
        folder: Where the import files are written.
        now: The moment the dates are counted from.

    Raises:
        AssertionError: A command failed.
    """
    now = now or dt.datetime.now(dt.UTC)
    consents, relationships = folder / "consents.csv", folder / "relationships.csv"
    _write_consents(consents, now)
    _write_relationships(relationships, now)
    for command in (
        ("consent", "import", str(consents)),
        ("relationship", "import", str(relationships)),
        ("object", OBJECTED_NL, "--principal", "tulip", "--by", "the lab"),
        ("refuse", REFUSED_DE, "--campaign", "linde-de", "--by", "the lab"),
    ):
        done = await service.run(*command)
        assert done.code == 0, f"ringfence {' '.join(command)}: {done.out}{done.err}"


def _write_consents(path: Path, now: dt.datetime) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["number", "principal", "purpose", "product", "given_at", "expires_at", "wording"])
        for number, principal, product, months, days in CONSENTS:
            given = (now - dt.timedelta(days=30 * months)).isoformat(timespec="seconds")
            until = "" if days is None else (now + dt.timedelta(days=days)).isoformat(timespec="seconds")
            rows.writerow([number, principal, "sales", product, given, until, "Yes, you may call me."])


def _write_relationships(path: Path, now: dt.datetime) -> None:
    ended = (now - dt.timedelta(days=200)).date().isoformat()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["number", "principal", "product", "started_on", "ended_on", "last_purchase_on"])
        rows.writerow([FORMER_CUSTOMER_NL, "tulip", "energy", "2020-03-01", ended, ended])
        rows.writerow([READER_NL, "courant", "newspaper", "2021-03-01", "", ended])
