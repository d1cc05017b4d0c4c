"""`ringfence token`: tokens with which other programs use the API."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from asterisk_plugin.cli.given import given, say
from asterisk_plugin.errors import InputError
from asterisk_plugin.settings.service import LOCAL_TOKEN

RIGHTS = ("enter", "read", "transfer")

_is_name = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII).fullmatch

app = typer.Typer(help="Tokens for programs that use the HTTP API.", no_args_is_help=True)


@app.command("new")
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the token is for; it stands in the evidence of what it enters.")],
    may: Annotated[
        list[str] | None,
        typer.Option(metavar="RIGHT", help="enter, read or transfer; again for more. Default: enter."),
    ] = None,
) -> None:
    """Make a token: prints it once, and the lines for ringfence.toml, which hold only its digest."""
    from asterisk_plugin.admin.tokens import digest_of, new_token

    if not _is_name(name):
        raise InputError(f"`{name[:50]}` is no name of a token; 1 to 40 letters, digits, `_`, `.` or `-` are")
    if name.lower() == LOCAL_TOKEN:
        raise InputError(f"the name `{name}` is kept for this machine's own commands; choose another one")
    if name in {entry.name for entry in given(ctx).load().service.http.token}:
        raise InputError(f"there is a token `{name}` already; remove it from ringfence.toml, or choose another name")
    if strangers := set(may or ()) - set(RIGHTS):
        raise InputError(f"`{min(strangers)[:40]}` is no right; {', '.join(RIGHTS)} are")
    token = new_token()
    rights = ", ".join(f'"{right}"' for right in dict.fromkeys(may or ("enter",)))
    say(f"the token, shown this once:\n{token}\n\nadd to ringfence.toml, then run `ringfence reload`:\n")
    say(f'[[http.token]]\nname = "{name}"\nsha256 = "{digest_of(token)}"\nmay = [{rights}]')
