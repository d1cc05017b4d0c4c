"""`ringfence prompts`: make, check, list and install what the objection line and the queues say."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asterisk_plugin.cli.boundary import FOUND_PROBLEMS
from asterisk_plugin.cli.given import complain, console, given, say
from asterisk_plugin.errors import InputError, StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asterisk_plugin.audio.building import Wanted
    from asterisk_plugin.audio.site import SitePrompts

app = typer.Typer(help="What the objection line and the queues say: texts and sounds.", no_args_is_help=True)

Languages = Annotated[
    list[str] | None, typer.Option("--lang", metavar="CODE", help="Only this language; can be given several times.")
]


@app.command()
def build(
    ctx: typer.Context,
    lang: Languages = None,
    site: Annotated[
        bool,
        typer.Option("--site", help="Also the names of your companies and call centre, in the campaigns' languages."),
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Also what is up to date; never a recording of your own.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Make every prompt in this folder of sounds, in place of the configuration's."
        ),
    ] = None,
    piper: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder with voices of Piper (*.onnx), beside `voices` of the configuration."),
    ] = None,
    kokoro: Annotated[
        bool, typer.Option("--kokoro", help="Not without Kokoro, which otherwise speaks where it is installed.")
    ] = False,
) -> None:
    """Make the sounds that are missing or say something else than their text.

    Without a configuration of your own the shipped sounds are made; with one, in its folder `sounds`,
    what differs from the shipped ones.
    """
    from asterisk_plugin.audio.building import build as make
    from asterisk_plugin.audio.building import to_build
    from asterisk_plugin.audio.folders import folder_of
    from asterisk_plugin.audio.kokoro import GET_KOKORO, is_installed
    from asterisk_plugin.audio.voices import choose_voice

    if kokoro and not is_installed():
        raise StartupError(f"Kokoro is not installed: {GET_KOKORO}")
    prompts = _prompts(ctx, piper or ())
    if site and prompts.is_example and to is None:
        raise InputError("the shipped campaigns are an example: give your own with `--config`, or a folder with `--to`")
    sounds = to or prompts.own_sounds
    todo: dict[str, list[Wanted]] = {}
    for language in prompts.choose(lang or ()):
        texts = _texts_to_build(prompts, language, everything=to is not None, site=site)
        todo[language], kept = to_build(sounds, language, prompts.wanted(language, texts), anew=anew)
        for path in kept:
            say(f"{language}: your own {path.name} stays")
    # Before the first sound is made: half a language is worse than none.
    voices = {
        language: choose_voice(prompts.catalogues[language].voice, prompts.voice_folders)
        for language, wanted in todo.items()
        if wanted
    }
    with _progress(sum(map(len, todo.values()))) as advance:
        for language, voice in voices.items():
            for one in make(sounds, language, todo[language], voice):
                advance(f"{language} {one.name}")
    for language in voices:
        say(f"{language}: made {len(todo[language])} sound(s) in {folder_of(sounds, language)}")
    if not voices:
        say("every sound is up to date")


@app.command()
def check(
    ctx: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Asterisk's folder of sounds; without it, what would be installed."),
    ] = None,
    lang: Languages = None,
) -> None:
    """Name what is missing, out of date, uneven, or of a format Asterisk cannot play; exit 1 when there is any."""
    from asterisk_plugin.audio.checking import check_configured, check_installed

    prompts = _prompts(ctx)
    languages = _languages_to_check(prompts, directory, lang or ())
    findings = [
        finding
        for language in languages
        for finding in (
            check_installed(prompts, language, directory) if directory else check_configured(prompts, language)
        )
    ]
    campaigns = {language: "a campaign" for language in _campaign_languages(ctx)}
    spoken = {**dict.fromkeys(prompts.queue_languages, "a queue"), **campaigns}
    silent = sorted(spoken.keys() - prompts.catalogues.keys()) if not lang else []
    for language in silent:
        complain(f"{language}: {spoken[language]} speaks it, and there is no prompts/{language}.toml")
    for finding in findings:
        (complain if finding.serious else say)(str(finding))
    serious = sum(finding.serious for finding in findings) + len(silent)
    say(f"{len(languages)} language(s), {serious} problem(s)")
    if serious:
        raise typer.Exit(FOUND_PROBLEMS)


@app.command()
def install(
    ctx: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Asterisk's folder of sounds, such as /usr/share/asterisk/sounds.")
    ],
    lang: Languages = None,
) -> None:
    """Copy the shipped sounds and your own (folder `sounds` of the configuration) to where Asterisk plays them from.

    A recording of your own replaces the shipped sound of the same name in every format. What you put
    into DIR yourself stays.
    """
    from asterisk_plugin.audio.installing import install as lay_down

    prompts = _prompts(ctx)
    languages = prompts.choose(lang or ())
    done = lay_down(prompts.folders, languages, directory)
    for path in done.kept:
        say(f"kept your {path}")
    for path in done.removed:
        say(f"removed {path}, which was there in another format")
    for path, fault in done.refused:
        complain(f"{path} {fault}; not installed")
    say(f"installed {done.copied} sound(s) in {len(languages)} language(s) below {directory}")
    missing = {
        language: names
        for language in languages
        if (names := [name for name in prompts.names[language] if not _has(directory, language, name)])
    }
    for language, names in ({} if prompts.is_example else missing).items():
        say(f"{language}: no sound for {', '.join(names)}; make them with `ringfence prompts build --site`")
    if done.refused:
        raise typer.Exit(FOUND_PROBLEMS)


@app.command(name="list")
def list_(ctx: typer.Context, lang: Languages = None) -> None:
    """Show every prompt: its name, its text in each language, and whose sound it has."""
    from rich.table import Table

    from asterisk_plugin.audio.folders import is_ours, read_made
    from asterisk_plugin.audio.site import effective_sounds
    from asterisk_plugin.core.prompts import QUEUE_NAMES

    prompts = _prompts(ctx)
    for language in prompts.choose(lang or ()):
        files = effective_sounds(prompts.folders, language)
        table = Table("prompt", "says", "sound", title=f"{prompts.catalogues[language].name} ({language})")
        untold, of_queue = dict.fromkeys(prompts.untold(language), "no text"), False
        for name, text in {**prompts.texts(language), **untold}.items():
            if (name in QUEUE_NAMES) is not of_queue:
                table.add_section()
                of_queue = not of_queue
            paths = files.get(name, [])
            ours = bool(paths) and is_ours(paths[0], read_made(paths[0].parent))
            table.add_row(name, text, "missing" if not paths else "made" if ours else f"your own, {paths[0].name}")
        console().print(table)


def _prompts(ctx: typer.Context, voice_folders: Sequence[Path] = ()) -> SitePrompts:
    from asterisk_plugin.audio.site import site_prompts

    return site_prompts(given(ctx).load(), voice_folders=tuple(voice_folders))


def _texts_to_build(prompts: SitePrompts, language: str, *, everything: bool, site: bool) -> dict[str, str]:
    from asterisk_plugin.audio.site import shipped_sounds

    names = dict(prompts.names[language]) if site else {}
    whole = everything or prompts.own_sounds == shipped_sounds()
    texts = prompts.texts(language) if whole else prompts.own_texts(language)
    return {**{name: text for name, text in texts.items() if name not in prompts.names[language]}, **names}


def _languages_to_check(prompts: SitePrompts, directory: Path | None, lang: Sequence[str]) -> list[str]:
    """Those asked for; else for an installation those it has and those the campaigns need."""
    from asterisk_plugin.audio.folders import languages_in

    chosen = prompts.choose(lang)
    if lang or directory is None:
        return chosen
    needed = {*languages_in(directory), *(language for language in chosen if prompts.names[language])}
    return [language for language in chosen if language in needed] or chosen


def _campaign_languages(ctx: typer.Context) -> set[str]:
    return {campaign.language for campaign in given(ctx).load().site.campaigns.values()}


def _has(directory: Path, language: str, name: str) -> bool:
    from asterisk_plugin.audio.folders import folder_of, sounds_in

    return name in sounds_in(folder_of(directory, language))


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A bar on the terminal, and nothing where there is none; gives what counts one more."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn()
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, disable=not total or not screen.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda what: bar.update(task, advance=1, description=what)
