"""`ringfence evidence`: is the record whole, and what does it say?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from asterisk_plugin.cli.boundary import FOUND_PROBLEMS
from asterisk_plugin.cli.given import complain, console, given, say
from asterisk_plugin.cli.opened import keys_of_records
from asterisk_plugin.errors import InputError, LedgerBrokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ID_CHARS = 32

app = typer.Typer(help="The ledger: verify it, look something up in it.", no_args_is_help=True)


@app.command()
def verify(
    ctx: typer.Context,
    noted: Annotated[
        str,
        typer.Option(
            metavar="ROW:HASH", help="Row and hash that an earlier verification printed: finds a ledger put back."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every row of the ledger, also while a service writes to it.

    Exit code 0: nothing was edited, removed or re-ordered; 1: the first row where something was, and what.
    """
    from asterisk_plugin.ledger import verify as verify_ledger

    keys = keys_of_records(given(ctx).load())
    try:
        with _progress() as on_rows:
            report = verify_ledger(keys.ledger_url, keys.secret, progress=on_rows, noted=_noted(noted))
    except LedgerBrokenError as exc:
        if as_json:
            say(json.dumps({"whole": False, "row": exc.seq, "reason": exc.reason}, indent=2))
        complain(f"broken: {exc}")
        raise typer.Exit(FOUND_PROBLEMS) from exc
    if as_json:
        say(json.dumps({"whole": True, **asdict(report)}, indent=2))
        return
    say(f"whole: {report.rows} rows, {report.sealed} with personal data, {report.erased} of those erased")
    say(f"note this down: {report.rows}:{report.head_hash}")


@app.command("show")
def show_event(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="Id of an attempt or record, or an objection's reference.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is recorded under an id: for an attempt, why it was decided so and what became of it."""
    from asterisk_plugin.cli import history

    found = asyncio.run(history.find(given(ctx).load(), _name(name)))
    if not found:
        raise InputError(f"nothing is recorded under `{name[:40]}`")
    if as_json:
        say(history.dumps([history.as_values(stored) for stored in found]))
        return
    out = console()
    out.print(history.table(found))
    for stored in found:
        if stored.event.sealed and "verdict" in stored.event.sealed:
            out.print(history.findings_table(stored.event.sealed["verdict"]))


def _name(text: str) -> str:
    """An id is written small; people write it as they like."""
    return text.lower() if len(text) == ID_CHARS else text


def _noted(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    row, _, digest = text.partition(":")
    if not row.isdecimal() or len(digest) != 64:
        raise InputError(f"`{text[:40]}` is no note; `ROW:HASH` as printed by an earlier verification is")
    return int(row), digest.lower()


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verifying", total=None)
        yield lambda rows, of: progress.update(task, completed=rows, total=of)
