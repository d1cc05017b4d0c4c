"""`ringfence dialplan`: what a person sees of the linter, and what install leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from asterisk_plugin.cli.dialplan import dialplan_app
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

INSTALLED = {
    "ringfence-agents.conf",
    "ringfence-dial.conf",
    "ringfence-features.conf.sample",
    "ringfence-objection.conf",
    "ringfence-answered.conf",
    "ringfence-outcome.conf",
    "ringfence-queue.conf",
    "ringfence-trunk.conf",
    "ringfence-site.conf.sample",
    "ringfence-site.conf",
}


def test_the_shipped_files_are_checked_when_none_are_named() -> None:
    """Exit 0 and a count."""
    result = CliRunner().invoke(dialplan_app, ["check"])
    assert (result.exit_code, result.stdout) == (0, "8 file(s), 0 problem(s)\n")


def test_a_bad_file_is_named_with_its_line_and_exit_code_2(tmp_path: Path) -> None:
    """One line for each problem, in the form editors jump to."""
    bad = tmp_path / "extensions.conf"
    bad.write_text("[agents]\nexten => _.,1,Hangup()\n")
    result = CliRunner().invoke(dialplan_app, ["check", str(bad)])
    assert result.exit_code == 2
    assert result.stdout.splitlines()[0].startswith(f"{bad}:2: `_.` matches every text")


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    """No traceback: the boundary turns this error into a line."""
    result = CliRunner().invoke(dialplan_app, ["check", str(tmp_path / "none.conf")])
    assert isinstance(result.exception, InputError)
    assert "cannot be read: No such file" in str(result.exception)


def test_install_never_touches_a_site_file_that_is_there(tmp_path: Path) -> None:
    """Everything else is replaced by the shipped text."""
    folder = tmp_path / "ringfence"
    first = CliRunner().invoke(dialplan_app, ["install", str(folder)])
    assert first.exit_code == 0
    assert {file.name for file in folder.iterdir()} == INSTALLED
    assert f'#include "{folder}/ringfence-*.conf"' in first.stdout
    (folder / "ringfence-site.conf").write_text("; mine\n")
    (folder / "ringfence-dial.conf").write_text("; broken\n")
    second = CliRunner().invoke(dialplan_app, ["install", str(folder)])
    assert "kept your" in second.stdout
    assert (folder / "ringfence-site.conf").read_text() == "; mine\n"
    assert "[ringfence-dial]" in (folder / "ringfence-dial.conf").read_text()


def test_what_install_leaves_passes_the_check(tmp_path: Path) -> None:
    """The installed files belong together."""
    CliRunner().invoke(dialplan_app, ["install", str(tmp_path)])
    files = [str(file) for file in tmp_path.glob("*.conf")]
    assert CliRunner().invoke(dialplan_app, ["check", *files]).exit_code == 0


@pytest.mark.parametrize("name", sorted(INSTALLED - {"ringfence-site.conf"}))
def test_every_shipped_file_says_at_its_top_what_it_is(name: str, tmp_path: Path) -> None:
    """An admin who opens one knows where it comes from."""
    CliRunner().invoke(dialplan_app, ["install", str(tmp_path)])
    assert (tmp_path / name).read_text().startswith("; Ringfence: ")
