"""What answered calls are listened to with, and how long a person may then be without an agent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asterisk_plugin.agi.sockets import Allowed
from asterisk_plugin.audiosocket.server import SoundServer
from asterisk_plugin.core.answering import answer_limit_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from asterisk_plugin.callflow.gate import Gate
    from asterisk_plugin.callflow.hearing import Detector
    from asterisk_plugin.core.answering import AnswerLimit
    from asterisk_plugin.core.site import Campaign
    from asterisk_plugin.detection.findings import Before
    from asterisk_plugin.settings.service import AudioSocketSettings


def make_detector() -> Detector:
    """A detector for one call that is to be connected soon: it does not wait for the end of a long greeting."""
    from asterisk_plugin.detection.detector import Detector  # numpy: only who hears calls loads it

    return Detector()


def make_patient_detector(before: Before) -> Detector:
    """A detector for one call that goes on: it waits for the end of the greeting.

    Args:
        before: What was heard before.
    """
    from asterisk_plugin.detection.detector import Detector
    from asterisk_plugin.detection.findings import Settings

    return Detector(Settings(undecided_s=0), before=before)


async def start_sounds(
    settings: AudioSocketSettings, allowed: Sequence[str], *, worker: int | None = None
) -> SoundServer:
    """Listen for the sound of calls.

    Args:
        settings: Where.
        allowed: Who may connect: addresses, networks, machines.
        worker: Which of the workers this is, from 0; None for the service itself.

    Raises:
        StartupError: The port is taken.
    """
    from asterisk_plugin.detection.detector import warm_up as warm_up_hearing

    await asyncio.to_thread(warm_up_hearing)  # now, so that no call waits for it
    port = settings.port if worker is None or not settings.port else settings.port + 1 + worker
    peers = Allowed(allowed)
    await peers.look_up()
    sounds = SoundServer(settings.host, port, allows=peers.admits)
    await sounds.start()
    return sounds


def limit_of(gate: Gate, campaign: Campaign, country: str, now: dt.datetime) -> AnswerLimit:
    """By the site in force, also after a reload."""
    return answer_limit_of(gate.site, campaign, country, now)
