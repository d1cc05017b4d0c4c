"""`ringfence doctor`: is this site safe, and if not, what to do about it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from asterisk_plugin.cli.boundary import FOUND_PROBLEMS
from asterisk_plugin.cli.given import console, given, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from asterisk_plugin.ami.findings import Check
    from asterisk_plugin.ami.inspect import Login

SECRET_VARIABLE = "RINGFENCE_DOCTOR_SECRET"  # noqa: S105 - a variable's name

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    ctx: typer.Context,
    ami_user: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="AMI user with write = system,command,reporting, to see also what the service's own user "
            f"may not; its secret comes from {SECRET_VARIABLE} or is asked for.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Check this site: AMI, rights, dialplan, modules, trunks, clocks, store, ledger. Changes nothing."""
    from asterisk_plugin.cli.site_checks import run_checks

    loaded = given(ctx).load()
    checks = asyncio.run(run_checks(loaded, admin=_login(ami_user)))
    if as_json:
        say(_json(checks))
    else:
        console().print(_table(checks))
        say(_summary(checks))
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(FOUND_PROBLEMS)


def _login(username: str) -> Login | None:
    from asterisk_plugin.ami.inspect import Login

    if not username:
        return None
    secret = os.environ.get(SECRET_VARIABLE) or typer.prompt(f"Secret of AMI user {username}", hide_input=True)
    return Login(username, secret)


def _table(checks: Sequence[Check]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "what", "found", "what to do"):
        table.add_column(column)
    for check in checks:
        style = _STYLES[check.state]
        state = f"[{style}]{check.state}[/]"
        table.add_row(state, escape(check.name), escape(check.sentence), escape(check.remedy))
    return table


def _summary(checks: Sequence[Check]) -> str:
    counts = {state: sum(1 for check in checks if check.state == state) for state in ("ok", "warn", "fail")}
    return f"{counts['ok']} in order, {counts['warn']} to think about, {counts['fail']} to mend"


def _json(checks: Sequence[Check]) -> str:
    import json
    from dataclasses import asdict

    return json.dumps([asdict(check) for check in checks], indent=2, ensure_ascii=False)
