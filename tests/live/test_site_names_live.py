"""A site's own announced names: made by `prompts build --site`, laid down by `prompts install`, heard in a call."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.lab import people
from tests.lab.conversation import Person, prompt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.lab.lab import Lab
    from tests.lab.service import ServiceProcess

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

LANGUAGE = "nl"
CENTRE, COMPANY = "centre-centre", "company-tulip"

# Stands for espeak-ng, so that nothing need be installed: a hum of its own for each text. Where Kokoro is installed, it
# is asked how a text sounds.
VOICE = """#!{python}
import math, struct, sys, wave
text = sys.stdin.read()
if any("ipa" in word for word in sys.argv):
    sys.exit(print("halo " * (1 + sum(map(ord, text)) % 4)))
with wave.open(sys.argv[-1], "wb") as sound:
    sound.setnchannels(1)
    sound.setsampwidth(2)
    sound.setframerate(22050)
    hertz = sum(map(ord, text)) % 500 + 400
    values = (round(9000 * math.sin(n / 22050 * math.tau * hertz)) for n in range(2000 + 600 * len(text)))
    sound.writeframes(b"".join(struct.pack("<h", value) for value in values) + bytes(2000))
"""


@pytest_asyncio.fixture(loop_scope="session")
async def names(lab: Lab, gate: ServiceProcess, tmp_path: Path) -> AsyncIterator[Path]:
    """The folder in which Asterisk finds the prompts of the language, the site's names among them."""
    voice = tmp_path / "bin" / "espeak-ng"
    voice.parent.mkdir()
    voice.write_text(VOICE.format(python=sys.executable))
    voice.chmod(0o755)
    gate.env["PATH"] = f"{voice.parent}{os.pathsep}{gate.env['PATH']}"
    sounds = lab.pbx.folder / "data" / "sounds"
    for command in (("build", "--site"), ("install", str(sounds), "--lang", LANGUAGE)):
        said = await gate.run("prompts", *command)
        assert said.code == 0, said.out + said.err
    folder = sounds / LANGUAGE / "ringfence"
    yield folder
    for name in (CENTRE, COMPANY):
        (folder / f"{name}.alaw").unlink()


async def test_the_person_hears_who_called_and_for_whom(
    lab: Lab, gate: ServiceProcess, names: Path, tmp_path: Path
) -> None:
    """Between the shipped prompts stand the two sounds that were built, and nothing stands for an unknown name."""
    built = gate.config / "sounds" / LANGUAGE / "ringfence"
    centre, company = (built / f"{name}.alaw" for name in (CENTRE, COMPANY))
    for name in (centre, company):
        assert (names / name.name).read_bytes() == name.read_bytes()
        assert not (names / name.name).is_symlink(), "it is no longer what the lab's own prompts are: links"
    assert centre.read_bytes() != company.read_bytes()
    lab.people.listen()
    try:
        number = people.AGREED_NL
        await lab.subscriber(number, "answer", ring_s=0.1, talk_s=120)
        somebody = Person(lab, number, LANGUAGE)
        running = await lab.begin(number, "tulip-nl", caller_id="1001")
        await lab.until_answered(number, since_s=somebody.since_s, running=running)
        await lab.hang_up(running)
        await somebody.hears("line-greeting", "you-were-called-by", "on-behalf-of", "press-1-company")
        await somebody.hangs_up()
        (heard,) = await lab.people.heard(number, somebody.since_s)
    finally:
        lab.people.stop_listening()
    before, between, after = (
        prompt("you-were-called-by", LANGUAGE),
        prompt("on-behalf-of", LANGUAGE),
        prompt("press-1-company", LANGUAGE),
    )
    assert heard.else_than(prompt("line-greeting", LANGUAGE), before, centre, between, company, after) == ""
