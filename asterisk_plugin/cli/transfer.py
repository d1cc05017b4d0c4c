"""`ringfence transfer`: send the person of a running call to the objection line."""

from __future__ import annotations

from typing import Annotated

import typer

from asterisk_plugin.cli.given import given, say


def transfer(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(help="The agent's channel, or the person's own: PJSIP/agent17-0000002a.")],
    asterisk: Annotated[
        str, typer.Option(metavar="NAME", help="Which Asterisk, when several have a channel of that name.")
    ] = "",
) -> None:
    """Send the person of a running call to the objection line; the agent is free at once.

    The running service does it, over its own connection to Asterisk.
    """
    from asterisk_plugin.cli.service_api import ask_service

    sent = ask_service(given(ctx).load(), "POST", "/v1/transfer", {"channel": channel, "asterisk": asterisk})
    say(f"{sent['channel']} on {sent['asterisk']} is on the way to the objection line")
