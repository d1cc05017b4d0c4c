"""Ask one Asterisk over AMI all that `ringfence doctor` wants to know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from asterisk_plugin.ami import answers, findings
from asterisk_plugin.ami.connection import Connection
from asterisk_plugin.ami.endpoints import judge_endpoint
from asterisk_plugin.ami.findings import Check, State
from asterisk_plugin.ami.queues import QUEUE_EVENTS, QUEUE_MODULES, judge_music
from asterisk_plugin.errors import ActionRefusedError, LoginRefusedError, ManagerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from asterisk_plugin.ports import Clock
    from asterisk_plugin.settings.service import AsteriskSettings

    Fields = Mapping[str, str]

ANSWER_TIMEOUT_S = 10.0  # a whole dialplan of a large site

MODULES = (
    *("res_agi", "pbx_config", "app_dial", "app_exec", "app_stack", "func_callerid", "func_channel", "func_cut"),
    *("func_dialplan", "func_global", "func_logic", "func_module", "func_strings", "func_timeout"),
)
"""What dialplan/ringfence-*.conf uses."""

ATTEMPT_EVENTS = ("call", "user")
"""AMI read classes that the watchdog and whoever follows attempts need."""

PJSIP_MODULES = ("chan_pjsip", "res_pjsip_caller_id")

_DENIED = "Permission denied"
_NO_COMMAND = "No such command"


@dataclass(frozen=True, slots=True)
class Expected:
    """What an Asterisk should have.

    Args:
        contexts: Contexts that must be loaded.
        is_emergency: Tells whether the service lets a number pass as an emergency number.
        queues: Names of the queues in which callers wait; empty where nobody waits for us.
        listens: Answered calls are listened to, for machines.
    """

    contexts: Sequence[str]
    is_emergency: Callable[[str], bool]
    queues: Sequence[str] = ()
    listens: bool = False


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was found out about one Asterisk.

    Args:
        checks: Every check, names starting with the Asterisk's.
        system_name: Its `systemname`, None when it was not asked.
        queues: Those of the expected queues that it has, as it writes their names; None when it was not asked.
    """

    checks: tuple[Check, ...]
    system_name: str | None = None
    queues: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """An AMI user to ask with.

    Args:
        username: Its name in manager.conf.
        secret: Its secret.
    """

    username: str
    secret: str

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


async def inspect_asterisk(
    settings: AsteriskSettings, *, expected: Expected, clock: Clock, admin: Login | None = None
) -> Inspected:
    """Look at one Asterisk.

    Args:
        settings: Where it is, and the AMI user of the service.
        expected: What it should have.
        clock: The present moment.
        admin: AMI user with write classes system, command and reporting, for what the service's own user
            need not and should not be able to see; None to try with the service's own.

    Returns:
        Its checks: never raises because of what an Asterisk does.
    """
    own = Login(settings.username, settings.secret.get_secret_value())
    asked = admin or own
    look = _Look(settings, expected, asked)
    checks: list[Check] = []
    try:
        checks += await _with_connection(settings, own, lambda line: _look_as_service(line, settings, clock))
        checks += await _with_connection(settings, asked, look.everything)
    except ManagerError as exc:
        remedy = (
            "check username and secret, and `permit` in manager.conf"
            if isinstance(exc, LoginRefusedError)
            else "check host and port, and `enabled = yes` in manager.conf"
        )
        checks.append(Check("AMI", State.FAIL, str(exc), remedy))
    named = tuple(replace(check, name=f"{settings.name}: {check.name}") for check in checks)
    return Inspected(named, look.system_name, look.queues)


async def _with_connection(
    settings: AsteriskSettings, login: Login, look: Callable[[Connection], Awaitable[list[Check]]]
) -> list[Check]:
    connection = Connection(settings.host, settings.port, listener=lambda _event: None, events=())
    try:
        await connection.open(
            username=login.username, secret=login.secret, event_mask="off", timeout_s=settings.ping_timeout_s
        )
        return await look(connection)
    finally:
        connection.abort()


async def _look_as_service(line: Connection, settings: AsteriskSettings, clock: Clock) -> list[Check]:
    """What the service's own user sees."""
    checks = [Check("AMI", State.OK, f"`{settings.username}` is logged in at {settings.host}:{settings.port}")]
    actions = await line.request("ListCommands", {}, ANSWER_TIMEOUT_S)
    checks += findings.judge_own_rights(settings.username, actions[0])
    before = clock()
    pong = await line.request("Ping", {}, ANSWER_TIMEOUT_S)
    after = clock()
    if timestamp := pong[0].get("Timestamp"):
        checks.append(findings.judge_clock(float(timestamp) - (before.timestamp() + after.timestamp()) / 2))
    return checks


class _Look:
    """What an admin's AMI user sees; notes what was refused."""

    def __init__(self, settings: AsteriskSettings, expected: Expected, login: Login) -> None:
        self._settings = settings
        self._expected = expected
        self._login = login
        self._refused: list[str] = []
        self.system_name: str | None = None
        self.queues: frozenset[str] | None = None

    async def everything(self, line: Connection) -> list[Check]:
        """Every check that this user may make, and one that names those it may not."""
        checks: list[Check] = []
        for what, look in (
            ("version", self._core),
            ("dialplan", self._dialplan),
            ("endpoints", self._endpoints),
            ("AMI users", self._manager_users),
            ("ARI users", self._ari_users),
            ("modules", self._modules),
            ("sounds", self._sounds),
            *((("queues", self._queues), ("music on hold", self._music)) if self._expected.queues else ()),
        ):
            try:
                checks += await look(line)
            except ActionRefusedError as exc:
                if _DENIED in str(exc):
                    self._refused.append(what)
                else:
                    checks.append(Check(what, State.WARN, str(exc), "ask Asterisk itself: `asterisk -r`"))
        if self._refused:
            refused = ", ".join(self._refused)
            sentence = f"not looked at, because AMI user `{self._login.username}` may not: {refused}"
            remedy = "run again with --ami-user NAME, one with write = system,command,reporting"
            checks.append(Check("not checked", State.WARN, sentence, remedy))
        return checks

    async def _core(self, line: Connection) -> list[Check]:
        fields = (await line.request("CoreSettings", {}, ANSWER_TIMEOUT_S))[0]
        self.system_name = fields.get("SystemName", "")
        version = fields.get("AsteriskVersion", "")
        return [findings.judge_version(version, answers.read_version(version))]

    async def _dialplan(self, line: Connection) -> list[Check]:
        lines = (await line.request("ShowDialPlan", {}, ANSWER_TIMEOUT_S))[1:]
        return [
            findings.judge_contexts(lines, self._expected.contexts),
            findings.judge_emergency(lines, self._expected.is_emergency),
            findings.judge_dials(lines, self._settings.trunks),
        ]

    async def _endpoints(self, line: Connection) -> list[Check]:
        checks: list[Check] = []
        for trunk in self._settings.trunks:
            technology, _, endpoint = trunk.partition("/")
            if technology != "PJSIP":
                sentence = f"`{trunk}` is no PJSIP endpoint: what it shows as caller ID was not looked at"
                checks.append(Check(f"trunk {trunk}", State.WARN, sentence, "look at it by hand"))
                continue
            try:
                details = await line.request("PJSIPShowEndpoint", {"Endpoint": endpoint}, ANSWER_TIMEOUT_S)
            except ActionRefusedError as exc:
                if _DENIED in str(exc):
                    raise
                sentence = f"there is no endpoint `{endpoint}`, so nothing on `{trunk}` is watched"
                remedy = "correct `trunks` in ringfence.toml"
                checks.append(Check(f"endpoint {endpoint}", State.FAIL, sentence, remedy))
                continue
            detail = next((d for d in details if d.get("Event") == "EndpointDetail"), {})
            checks += judge_endpoint(endpoint, detail)
        return checks

    async def _manager_users(self, line: Connection) -> list[Check]:
        rights: dict[str, dict[str, frozenset[str]]] = {}
        for user in answers.read_manager_users(await self._command(line, "manager show users")):
            rights[user] = answers.read_manager_user(await self._command(line, f"manager show user {user}"))
        checks = findings.judge_manager_users({user: each["write"] for user, each in rights.items()})
        own = self._settings.username
        if own in rights:
            alone = ATTEMPT_EVENTS if self._expected.listens else ("call",)
            needed = QUEUE_EVENTS if self._expected.queues else alone
            checks.append(findings.judge_own_events(own, rights[own]["read"], needed))
        return checks

    async def _ari_users(self, line: Connection) -> list[Check]:
        try:
            lines = await self._command(line, "ari show users")
        except ActionRefusedError as exc:
            if _NO_COMMAND not in str(exc):
                raise
            return [Check("ARI users", State.OK, "ARI is not loaded")]
        return findings.judge_ari_users(answers.read_ari_users(lines))

    async def _modules(self, line: Connection) -> list[Check]:
        needed = MODULES + (PJSIP_MODULES if any(t.startswith("PJSIP/") for t in self._settings.trunks) else ())
        needed += QUEUE_MODULES if self._expected.queues else ()
        modules = answers.read_modules(await self._command(line, "module show"))
        heard = [findings.judge_hearing(modules)] if self._expected.listens else []
        return [findings.judge_modules(modules, needed), *heard]

    async def _sounds(self, line: Connection) -> list[Check]:
        lines = await self._command(line, "core show sounds")
        return [findings.judge_sounds(answers.read_sounds(lines))]

    async def _queues(self, line: Connection) -> list[Check]:
        """Notes which queues there are: whether that is enough is seen over all Asterisks."""
        self.queues = frozenset()
        for name in self._expected.queues:
            events = (await line.request("QueueStatus", {"Queue": name}, ANSWER_TIMEOUT_S))[1:]
            self.queues |= {event["Queue"] for event in events if event.get("Event") == "QueueParams"}
        return []

    async def _music(self, line: Connection) -> list[Check]:
        try:
            classes = answers.read_music_classes(await self._command(line, "moh show classes"))
        except ActionRefusedError as exc:
            if _NO_COMMAND not in str(exc):
                raise
            classes = ()
        checks = []
        for name in sorted(self.queues or ()):
            fields = {"Filename": "queues.conf", "Category": name}
            options = answers.read_config((await line.request("GetConfig", fields, ANSWER_TIMEOUT_S))[0])
            checks.append(judge_music(name, options, classes))
        return checks

    async def _command(self, line: Connection, command: str) -> list[str]:
        return answers.read_output(await line.request("Command", {"Command": command}, ANSWER_TIMEOUT_S))
