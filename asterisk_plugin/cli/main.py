"""The `ringfence` command: every sub-command, and the options that stand before it.

Rule 1: what a command needs is imported when it runs. `ringfence --version` must not load a web server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asterisk_plugin import __version__
from asterisk_plugin.cli import (
    check,
    config,
    dialplan,
    doctor,
    evidence,
    objection_line,
    objections,
    prompts,
    queues,
    rebuild,
    records,
    refusals,
    reports,
    tokens,
    transfer,
)
from asterisk_plugin.cli.boundary import Boundary
from asterisk_plugin.cli.given import Given, given, say
from asterisk_plugin.settings import environment

app = typer.Typer(
    name="ringfence",
    cls=Boundary,
    help="The compliance gate for Asterisk call centres: decides before the INVITE, and proves it.",
    epilog="Exit codes: 0 in order · 1 something was found · 2 bad input or configuration ·"
    " `check`: 0 allow, 3 defer, 4 deny",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"ringfence {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar=environment.CONFIG,
            metavar="PATH",
            help="Configuration directory or ringfence.toml; without it the defaults that come with the program.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the service keeps its data, in place of what is configured."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an internal error happened.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback has used it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Options that stand before the command."""
    ctx.obj = Given(config=config, data_dir=data_dir, debug=debug)


@app.command(rich_help_panel="Service")
def serve(
    ctx: typer.Context,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes that answer FastAGI, in place of what is configured."),
    ] = None,
) -> None:
    """Run the service: FastAGI, the store's projection, the AMI watchdog, HTTP."""
    from asterisk_plugin.cli.serve import serve as run

    run(given(ctx).config, given(ctx).load(), workers=workers)


@app.command(rich_help_panel="Service")
def reload(ctx: typer.Context) -> None:
    """Let the running service take new files, all or nothing: a bad one is refused, the old rules stay."""
    from asterisk_plugin.cli.serve import reload as run

    run(given(ctx).config, given(ctx).load().data_dir)


app.command(rich_help_panel="Service")(doctor.doctor)
app.add_typer(dialplan.dialplan_app, name="dialplan", rich_help_panel="Service")
app.add_typer(objection_line.app, name="objection-line", rich_help_panel="Service")
app.add_typer(prompts.app, name="prompts", rich_help_panel="Service")
app.command(rich_help_panel="Rules")(check.check)
app.add_typer(config.app, name="config", rich_help_panel="Rules")
app.add_typer(tokens.app, name="token", rich_help_panel="Service")
app.command(rich_help_panel="Service")(transfer.transfer)
app.command(name="object", rich_help_panel="Records")(records.object_)
app.command(name="refuse", rich_help_panel="Records")(refusals.refuse)
app.add_typer(objections.app, name="objections", rich_help_panel="Records")
app.add_typer(records.consent, name="consent", rich_help_panel="Records")
app.add_typer(records.relationship, name="relationship", rich_help_panel="Records")
app.add_typer(queues.app, name="queue", rich_help_panel="Records")
app.add_typer(reports.app, name="report", rich_help_panel="Records")
app.add_typer(evidence.app, name="evidence", rich_help_panel="Records")
app.command(rich_help_panel="Records")(rebuild.rebuild)
