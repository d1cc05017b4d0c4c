"""The whole lab in one hand: PBX under test, carrier, telephones. What a test or the demo uses.

lab = await Lab.start()
attempt = await lab.dial("+4930901820001", "autumn-sales", caller_id="+493022610")
assert attempt.decision == "DENY"
assert await lab.invites("+4930901820001") == []     # the carrier's own socket says so
await lab.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from tests.lab.attempt import Attempt, RunningAttempt
from tests.lab.instance import Asterisk
from tests.lab.manager import ManagerFailed
from tests.lab.ports import free_tcp_port
from tests.lab.provision import find_asterisk
from tests.lab.softphone import Softphone
from tests.lab.subscribers import Subscribers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.lab.heard import Heard
    from tests.lab.manager import Message
    from tests.lab.wire_record import Invite

__all__ = ["Attempt", "Lab", "RunningAttempt"]

DIALPLAN = Path(__file__).parents[2] / "dialplan"

PBX_HOST = "127.0.0.1"
CARRIER_HOST = "127.0.0.2"
PHONES_HOST = "127.0.0.3"


class Lab:
    """Two live Asterisks and as many telephones as wanted.

    Args:
        pbx: The PBX under test.
        carrier: The carrier with its subscribers; the witness.
        fastagi: Host and port where the PBX looks for the service.
    """

    def __init__(self, pbx: Asterisk, carrier: Asterisk, fastagi: tuple[str, int]) -> None:
        self.pbx = pbx
        self.carrier = carrier
        self.fastagi = fastagi
        self.people = Subscribers(carrier)
        self._ids = itertools.count(1)
        self._outcomes: dict[str, asyncio.Future[Message]] = {}
        pbx.manager.watch(self._take)
        self._phones: list[Softphone] = []
        self._endpoints: set[tuple[str, str]] = set()

    @classmethod
    async def start(cls, *, fastagi_port: int = 0, dialplan: Path = DIALPLAN, without: Sequence[str] = ()) -> Lab:
        """Provision what is missing and start both Asterisks.

        Args:
            fastagi_port: Where the service will listen on 127.0.0.1; 0 chooses a free one.
            dialplan: Folder of the product's dialplan files.
            without: Modules that the PBX shall not load.

        Raises:
            ProvisionError: There is no Asterisk to be had.
            AsteriskFailed: One did not start.
        """
        program = await asyncio.to_thread(find_asterisk)
        pbx = Asterisk(program, "pbx", PBX_HOST, dialplan=(dialplan,))
        carrier = Asterisk(program, "carrier", CARRIER_HOST)
        lab = cls(pbx, carrier, (PBX_HOST, fastagi_port or free_tcp_port(PBX_HOST)))
        values = {
            "PBX_HOST": PBX_HOST,
            "PBX_SIP": str(pbx.sip_port),
            "CARRIER_HOST": CARRIER_HOST,
            "CARRIER_SIP": str(carrier.sip_port),
            "FASTAGI_HOST": lab.fastagi[0],
            "FASTAGI": str(lab.fastagi[1]),
        }
        pbx.write_configuration(values)
        carrier.write_configuration(values)
        modules = pbx.etc / "modules.conf"
        lines = modules.read_text().splitlines()
        modules.write_text("\n".join(x for x in lines if x.removeprefix("load = ") not in without) + "\n")
        try:
            await asyncio.gather(pbx.start(), carrier.start())
        except BaseException:  # also when cancelled: nothing may be left running
            await lab.stop()
            raise
        return lab

    async def stop(self, *, keep_files: bool = False) -> None:
        """End everything; the logs go too unless they are to be kept."""
        for phone in self._phones:
            with contextlib.suppress(TimeoutError):  # a PBX that is gone answers no BYE
                await phone.close()
        self.people.stop_listening()
        await asyncio.gather(self.pbx.stop(), self.carrier.stop())
        if not keep_files:
            self.pbx.remove()
            self.carrier.remove()

    async def invites(self, number: str = "", *, since_s: float = 0) -> list[Invite]:
        """What the carrier's SIP socket saw.

        Args:
            number: Only calls to this number; empty for all.
            since_s: Only calls that came after this moment (`time.time()`).

        Returns:
            Every INVITE the PBX sent before this was called, for certain: see `Asterisk.sip_messages`.
        """
        found = await self.carrier.invites()
        return [invite for invite in found if number in ("", invite.number) and invite.at_s >= since_s]

    async def subscriber(
        self,
        number: str,
        does: str = "answer",
        *,
        ring_s: float = 0.5,
        talk_s: float = 0.2,
        keys: Iterable[tuple[float, str]] = (),
    ) -> None:
        """Say what the person at `number` does when called.

        Args:
            number: As the carrier sees it, `+4930901820001`.
            does: `answer`, `busy`, `absent` (the network gives up after `ring_s`), `never` (rings for
                ever) or `unknown` (no such number).
            ring_s: Seconds of ringing, which begins 0.3 s after the INVITE.
            talk_s: Seconds until an answered call is ended by the person.
            keys: What the person presses, each with the seconds since the answer or the keys before it:
                `[(2.0, "3"), (1.0, "0301234#")]`. `people.press` presses at once.
        """
        await self.people.does(number, does, ring_s=ring_s, talk_s=talk_s, keys=keys)

    async def until_answered(
        self, number: str, *, since_s: float = 0, running: RunningAttempt | None = None, timeout_s: float = 10
    ) -> None:
        """Wait until the person has answered a call that came since a moment.

        Args:
            number: The person's.
            since_s: The moment, `time.time()`.
            running: The attempt that calls, where there is one: waiting ends when it has ended.
            timeout_s: Longest wait.

        Raises:
            TimeoutError: Nobody answered.
            AssertionError: `running` ended first.
        """
        async with asyncio.timeout(timeout_s):
            while not any(invite.answered_at_s for invite in await self.invites(number, since_s=since_s)):
                assert running is None or not running.is_over, await running.ended()
                await asyncio.sleep(0.05)

    async def heard(self, number: str, *, since_s: float = 0) -> Heard:
        """What the person at this number heard in the last call, of those since a moment; `listen` comes first.

        Raises:
            LookupError: There was no call.
        """
        calls = await self.people.heard(number, since_s)
        if not calls:
            raise LookupError(f"{number} was in no call")
        return calls[-1]

    async def until_heard(
        self, number: str, sound: Path | bytes, *, timeout_s: float = 15, since_s: float = 0
    ) -> Heard:
        """Wait until that person has heard a whole sound.

        Raises:
            TimeoutError: The sound did not come.
        """
        return await self.people.until(
            number, lambda heard: heard.contains(sound), timeout_s=timeout_s, since_s=since_s
        )

    async def begin(
        self,
        number: str,
        campaign: str,
        *,
        agent: str = "",
        caller_id: str = "",
        name: str = "",
        pres: str = "allowed",
        originator: Mapping[str, str] | None = None,
        then: Mapping[str, str] | None = None,
    ) -> RunningAttempt:
        """Have the PBX's dialplan call `Gosub(ringfence-dial,s,1(number,campaign,agent))`.

        Args:
            number: As dialled; no comma (AMI would split it), use a softphone for such.
            campaign: Campaign id.
            agent: Agent id.
            caller_id: CALLERID(num) of the calling channel; empty for none.
            name: CALLERID(name).
            pres: CALLERID(pres).
            originator: Variables that whoever originates the call adds, `__RINGFENCE_AGI`.
            then: What the originating side does once the call is connected, as fields of an Originate: `Application`
                and `Data`, or `Context`, `Exten` and `Priority`. It waits silently by default.
        """
        variables = {
            **(originator or {}),
            "LAB_NUMBER": number,
            "LAB_CAMPAIGN": campaign,
            "LAB_AGENT": agent,
            "LAB_CALLER_ID": caller_id,
            "LAB_CALLER_NAME": name,
            "LAB_CALLER_PRES": pres,
        }
        return await self._originate("lab-dial", variables, then=then)

    async def dial(self, number: str, campaign: str, *, timeout_s: float = 30, **caller: str) -> Attempt:
        """`begin`, then wait for the end.

        Raises:
            TimeoutError: The call still runs.
        """
        return await (await self.begin(number, campaign, **caller)).ended(timeout_s)

    async def dial_past_the_gate(
        self, number: str, *, token: str, token_number: str = "", caller_id: str = "", timeout_s: float = 30
    ) -> Attempt:
        """Have the dialplan call the trunk directly, only guarded by ringfence-trunk with these arguments."""
        variables = {
            "LAB_NUMBER": number,
            "LAB_TOKEN": token,
            "LAB_TOKEN_NUMBER": token_number or number,
            "LAB_CALLER_ID": caller_id,
        }
        return await (await self._originate("lab-straight", variables)).ended(timeout_s)

    async def dial_line(self, line: str, *, timeout_s: float = 30) -> Attempt:
        """Have the dialplan dial a whole dial string, while the pre-dial routine is told that it is 112."""
        return await (await self._originate("lab-line", {"LAB_LINE": line})).ended(timeout_s)

    async def hang_up(self, *attempts: RunningAttempt) -> None:
        """Be the agents who hang up."""
        ids = {attempt.id for attempt in attempts}
        for channel in await self.pbx.channels():
            if not (channel.startswith("Local/s@lab-") and channel.endswith(";1")):
                continue
            with contextlib.suppress(ManagerFailed):  # gone meanwhile: another call's, or by itself
                value = await self.pbx.ami("Getvar", {"Channel": channel, "Variable": "LAB_ID"})
                if value.get("Value") in ids:
                    await self.pbx.ami("Hangup", {"Channel": channel})

    async def clear(self) -> None:
        """Hang up every channel of the PBX and wait until none is left."""
        async with asyncio.timeout(30):
            # Again and again: who is left when one side hangs up goes on to the objection line.
            while channels := await self.pbx.channels():
                for channel in channels:
                    with contextlib.suppress(ManagerFailed):  # gone by itself meanwhile
                        await self.pbx.ami("Hangup", {"Channel": channel})
                await asyncio.sleep(0.02)

    async def phone(self, campaign: str, *, agent: str = "agent1") -> Softphone:
        """An agent's telephone; its endpoint belongs to that campaign."""
        if (agent, campaign) not in self._endpoints:
            self._endpoints.add((agent, campaign))
            texts = (_ENDPOINT.format(agent=a, campaign=c) for a, c in sorted(self._endpoints))
            (self.pbx.etc / "pjsip-agents.conf").write_text("\n".join(texts))
            await self.pbx.cli("module reload res_pjsip.so")
            async with asyncio.timeout(30):
                show = f"pjsip show endpoint {agent}-{campaign}"
                while "Endpoint:" not in await self.pbx.cli(show):  # noqa: ASYNC110 - its end is no event
                    await asyncio.sleep(0.02)
        phone = await Softphone(f"{agent}-{campaign}", (self.pbx.host, self.pbx.sip_port), PHONES_HOST).open()
        self._phones.append(phone)
        return phone

    def install_agi(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Put a program where `AGI(name)` finds it: `command`, with `env` added to its environment."""
        lines = ["#!/bin/sh", *(f"export {key}={quote(value)}" for key, value in env.items())]
        file = self.pbx.agi_folder / name
        file.write_text("\n".join((*lines, f'exec {" ".join(map(quote, command))} "$@"', "")))
        file.chmod(0o755)

    async def _originate(
        self, context: str, variables: Mapping[str, str], *, then: Mapping[str, str] | None = None
    ) -> RunningAttempt:
        id_ = f"{time.time_ns():x}-{next(self._ids)}"
        outcome = self._outcomes[id_] = asyncio.get_running_loop().create_future()
        running = RunningAttempt(id_, outcome)
        await self.pbx.ami(
            "Originate",
            {
                "Channel": f"Local/s@{context}/n",
                **(then or {"Application": "Wait", "Data": "3600"}),
                "Timeout": "120000",
                "Async": "true",
                "Variable": [f"{key}={value}" for key, value in {**variables, "LAB_ID": id_}.items()],
            },
        )
        return running

    def _take(self, event: Message) -> None:
        if event.get("UserEvent") == "LabAttempt":
            outcome = self._outcomes.pop(event["Id"], None)
            if outcome is not None and not outcome.done():
                outcome.set_result(event)


_ENDPOINT = """
[{agent}-{campaign}](agent)
set_var = __RINGFENCE_CAMPAIGN={campaign}
set_var = __RINGFENCE_AGENT={agent}
"""
