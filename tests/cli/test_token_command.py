"""`ringfence token new`, and the commands that need a running service when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from record_keeping import Desk

from asterisk_plugin.admin.tokens import Tokens
from asterisk_plugin.settings.load import load


def test_what_it_prints_lets_the_token_in_when_it_stands_in_the_settings(desk: Desk, tmp_path: Path):
    """The digest goes to the file, the token to the program."""
    said = desk.run("token", "new", "crm", "--may", "read", "--may", "enter")
    assert said.code == 0
    token = said.out.splitlines()[1]
    lines = said.out.split("\n\n")[-1]
    assert token not in lines
    (tmp_path / "ringfence.toml").write_text(lines)
    entries = load(tmp_path).service.http.token
    client = Tokens(entries).whose(f"Bearer {token}")
    assert client is not None
    assert (client.name, client.may) == ("crm", {"read", "enter"})
    assert Tokens(entries).whose(f"Bearer {token}x") is None


def test_a_token_enters_objections_and_no_more_unless_it_is_said(desk: Desk):
    """What is not needed is not given."""
    assert desk.run("token", "new", "crm").out.endswith('may = ["enter"]\n')


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("a b",), "no name of a token"),
        (("crm", "--may", "everything"), "`everything` is no right"),
        (("local",), "kept for this machine"),
        (("Local",), "kept for this machine"),
    ],
)
def test_what_no_settings_could_hold_is_refused(desk: Desk, arguments: tuple[str, ...], complaint: str):
    """Before a token is shown."""
    said = desk.run("token", "new", *arguments)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err


def test_a_transfer_without_a_service_is_one_clear_line(desk: Desk):
    """Exit code 2, no traceback."""
    said = desk.run("transfer", "PJSIP/agent17-00000001")
    assert said.code == 2
    assert "no service runs on data directory" in said.err
