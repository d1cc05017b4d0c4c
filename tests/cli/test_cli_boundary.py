"""What a person sees when something is wrong: a line and an exit code, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from cli_site import new_site
from typer.testing import CliRunner

from asterisk_plugin import __version__
from asterisk_plugin.cli.boundary import Boundary
from asterisk_plugin.cli.given import Given
from asterisk_plugin.cli.main import app
from asterisk_plugin.errors import ConfigError, ConfigProblem, ImportRefusedError, StoreUnreachableError


def command_that_raises(error: BaseException, *, debug: bool = False):
    """Run a command that fails so."""
    broken = typer.Typer(cls=Boundary, pretty_exceptions_enable=False)

    @broken.callback()
    def options(ctx: typer.Context) -> None:
        ctx.obj = Given(debug=debug)

    @broken.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(broken, ["fail"])


def test_an_error_of_ours_is_one_line():
    """Its own words, exit code 2."""
    result = command_that_raises(StoreUnreachableError("the store `redis://h` refused"))
    assert (result.exit_code, result.stderr) == (2, "ringfence: the store `redis://h` refused\n")


def test_problems_of_the_configuration_are_a_line_each():
    """And their number, when there are several."""
    problems = [ConfigProblem("a.toml", "x.y", "`1`", "must be 2", 3), ConfigProblem("b.toml", "", "", "must be there")]
    result = command_that_raises(ConfigError(problems))
    assert result.exit_code == 2
    assert result.stderr == "a.toml:3: x.y: found `1`; must be 2\nb.toml: must be there\n2 problems\n"


def test_bad_lines_of_an_import_are_a_line_each():
    """The first ones by number, the others counted."""
    result = command_that_raises(ImportRefusedError("f.csv", [(2, "is bad"), (5, "too")], 30))
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "f.csv:2: is bad",
        "f.csv:5: too",
        "… and 28 more",
        "f.csv: 30 bad line(s), nothing was imported",
    ]


def test_a_mistake_of_the_program_is_a_line_too():
    """It asks to be reported, and shows where only when asked."""
    result = command_that_raises(KeyError("x"))
    assert result.exit_code == 70
    assert result.stderr.startswith("internal error: KeyError: 'x'")
    assert "Traceback" not in result.stderr
    assert "Traceback" in command_that_raises(KeyError("x"), debug=True).stderr


def test_ctrl_c_is_no_mistake():
    """It ends the command without a word of ours."""
    result = command_that_raises(KeyboardInterrupt())
    assert result.exit_code not in (0, 70)
    assert "internal error" not in result.stderr


def test_an_exit_code_of_a_command_is_kept():
    """`check` has its own."""
    assert command_that_raises(typer.Exit(4)).exit_code == 4


@pytest.mark.parametrize("line", [["nonsense"], ["check"], ["check", "112", "--campaing", "x"]])
def test_a_mistyped_command_says_how_it_is_used(tmp_path, line):
    """Typer's own words, exit code 2."""
    result = new_site(tmp_path).run(*line)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_the_version_is_shown_before_any_file_is_read(tmp_path):
    """Also when the configuration is broken."""
    site = new_site(tmp_path)
    (site.config / "ringfence.toml").write_text("broken")
    result = site.run("--version")
    assert (result.exit_code, result.stdout) == (0, f"ringfence {__version__}\n")


def test_every_command_is_there():
    """What the manual speaks of, and none twice."""
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    names += [group.name for group in app.registered_groups]
    service, rules = "serve reload rebuild doctor dialplan prompts token transfer", "check config objection-line"
    people = "object objections refuse consent relationship evidence queue report"
    assert sorted(names) == sorted(f"{service} {rules} {people}".split())


def test_start_up_loads_no_server_and_no_database():
    """`ringfence --version` and `--help` stay quick."""
    code = (
        "import sys; from asterisk_plugin.cli.main import app\n"
        "print([m for m in ('aiohttp', 'sqlalchemy', 'panoramisk', 'redis', 'holidays') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_configuration_may_come_from_the_environment(tmp_path):
    """RINGFENCE_CONFIG in place of --config, for the real command in a process of its own."""
    site = new_site(tmp_path)
    (site.config / "ringfence.toml").write_text("[service]\nworkers = 0\n")
    done = subprocess.run(
        [sys.executable, "-m", "asterisk_plugin", "config", "check"],
        capture_output=True,
        text=True,
        env={**os.environ, "RINGFENCE_CONFIG": str(site.config)},
        check=False,
    )
    assert done.returncode == 2
    assert "service.workers" in done.stderr
