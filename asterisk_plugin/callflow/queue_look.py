"""The queues of one Asterisk as they are: asked when the watch begins, and when it has missed something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.callflow.running_legs import read_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asterisk_plugin.callflow.ami_listener import Manager

    Fields = Mapping[str, str]

LOOK_TIMEOUT_S = 5.0

_SINCE, _NOW = "RINGFENCE_QUEUE_SINCE", "STRFTIME(,,%s.%3q)"


async def entries_of(manager: Manager) -> Sequence[Fields]:
    """The answer to `QueueStatus`.

    Raises:
        ManagerError: Asterisk does not answer.
    """
    return await manager.send_action("QueueStatus", {}, LOOK_TIMEOUT_S)


async def running_of(manager: Manager) -> dict[str, Fields]:
    """The running channels, by unique id.

    Raises:
        ManagerError: Asterisk does not answer.
    """
    messages = await manager.send_action("CoreShowChannels", {}, LOOK_TIMEOUT_S)
    return {message["Uniqueid"]: message for message in messages if message.get("Uniqueid")}


async def noted_of(manager: Manager, channel: str) -> dict[str, str]:
    """Since when a channel waits, as the dialplan noted it, and how long that is by Asterisk's clock.

    Returns:
        `Since` and `Waited` as in the dialplan's own events; empty when it does not wait through us, or is gone.

    Raises:
        ManagerError: Asterisk does not answer.
    """
    since = await read_value(manager, channel, _SINCE)
    now = await read_value(manager, channel, _NOW) if since else ""
    try:
        return {"Since": since, "Waited": f"{float(now) - float(since):.3f}"}
    except ValueError:
        return {}
