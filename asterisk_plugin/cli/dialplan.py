"""`ringfence dialplan`: check dialplan files, and install the ones that come with the program."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from asterisk_plugin.cli.given import say
from asterisk_plugin.core.dialplan_lint import lint_files
from asterisk_plugin.errors import InputError
from asterisk_plugin.settings.files import shipped

FOUND_PROBLEMS = 2

SAMPLE = "ringfence-site.conf.sample"
FEATURES = "ringfence-features.conf.sample"

dialplan_app = typer.Typer(help="Asterisk's dialplan: check it, install it.", no_args_is_help=True)


@dialplan_app.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES...", help="Files that belong together; none: the shipped ones."),
    ] = None,
) -> None:
    """Look for the traps that let a call past the gate; exit 0 when there are none, else 2."""
    chosen = files or shipped_files()
    problems = lint_files({str(file): _read(file) for file in chosen})
    for problem in problems:
        say(str(problem))
    say(f"{len(chosen)} file(s), {len(problems)} problem(s)")
    if problems:
        raise typer.Exit(FOUND_PROBLEMS)


@dialplan_app.command()
def install(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="For instance /etc/asterisk/ringfence.")],
) -> None:
    """Copy the shipped files to DIR; a ringfence-site.conf that is already there is left alone."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # The features are for features.conf: no dialplan, so never among the files that are checked.
        for file in (*shipped_files(), shipped("dialplan", FEATURES)):
            shutil.copyfile(file, directory / file.name)
        site = directory / SAMPLE.removesuffix(".sample")
        kept = site.exists()
        if not kept:
            shutil.copyfile(shipped("dialplan", SAMPLE), site)
    except OSError as exc:
        raise InputError(f"`{exc.filename or directory}` cannot be written: {exc.strerror}") from exc
    say(f"installed in {directory}; {'kept your' if kept else 'now edit'} {site}")
    say(f'then add to extensions.conf: #include "{directory.resolve()}/ringfence-*.conf"')
    say(f'and to features.conf, for the agent\'s feature code: #include "{directory.resolve()}/{FEATURES}"')


def shipped_files() -> list[Path]:
    """The dialplan files that come with the program, the sample of the site's own last."""
    folder = shipped("dialplan")
    return [*sorted(folder.glob("*.conf")), folder / SAMPLE]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as exc:
        raise InputError(f"`{file}` cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"`{file}` is no UTF-8 text") from exc
