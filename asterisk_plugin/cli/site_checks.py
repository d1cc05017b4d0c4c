"""Every check of `ringfence doctor`: the Asterisks, and what stands around them."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING

import sqlalchemy as sa

from asterisk_plugin.ami.findings import Check, State, judge_system_names
from asterisk_plugin.ami.inspect import Expected, Login, inspect_asterisk
from asterisk_plugin.ami.queues import judge_queues
from asterisk_plugin.callflow.gate import utc_now
from asterisk_plugin.core.engine import is_emergency_number
from asterisk_plugin.core.queue_law import Standing, queue_findings
from asterisk_plugin.core.site import OnMachine
from asterisk_plugin.errors import LedgerUnavailableError, StartupError, StoreError
from asterisk_plugin.ledger import open_ledger
from asterisk_plugin.settings.cross import is_loopback
from asterisk_plugin.settings.data_dir import DataDir
from asterisk_plugin.settings.files import shipped
from asterisk_plugin.store.inspection import inspect
from asterisk_plugin.store.opening import open_client

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from asterisk_plugin.ports import Clock
    from asterisk_plugin.settings.load import Loaded

CONNECT_TIMEOUT_S = 3.0
STORE_TIMEOUT_S = 3.0
LEAST_FREE_BYTES = 200_000_000

OPTIONAL_CONTEXTS = frozenset({"ringfence-refused"})
QUEUE_CONTEXTS = (
    "ringfence-queue",
    "ringfence-queue-wait",
    "ringfence-queue-keys",
    "ringfence-queue-agent",
    "ringfence-call-back",
)
_STATES = {Standing.LAWFUL: State.OK, Standing.UNSURE: State.WARN, Standing.UNLAWFUL: State.FAIL}
# Ours are all called so; what else stands in brackets there is a section of another file, `[applicationmap]`.
_CONTEXT = re.compile(r"^\[(ringfence-[A-Za-z0-9_-]+)\]", re.MULTILINE)


def shipped_contexts(*, queues: bool = False) -> tuple[str, ...]:
    """The contexts of our dialplan files, those a site may leave out excepted.

    Args:
        queues: Queues are configured, so theirs are needed too.
    """
    names = []
    for file in sorted(shipped("dialplan").glob("ringfence-*.conf*")):
        names += _CONTEXT.findall(file.read_text(encoding="utf-8"))
    always = [name for name in dict.fromkeys(names) if name not in OPTIONAL_CONTEXTS and not _is_for_queues(name)]
    return (*always, *(QUEUE_CONTEXTS if queues else ()))


def _is_for_queues(context: str) -> bool:
    return context in QUEUE_CONTEXTS or context.startswith("ringfence-queue")


async def run_checks(
    loaded: Loaded,
    *,
    contexts: Sequence[str] | None = None,
    admin: Login | None = None,
    clock: Clock = utc_now,
) -> list[Check]:
    """Look at a whole site; changes nothing.

    Args:
        loaded: Its configuration.
        contexts: Contexts that each Asterisk must have loaded; None for those of our dialplan files.
        admin: AMI user that may see everything; None to ask with the service's own.
        clock: The present moment.

    Returns:
        Every check, the Asterisks' first; what cannot be looked at is a check that says so.
    """
    data_dir = DataDir(loaded.data_dir)
    own = await asyncio.gather(
        _check_agi(loaded, data_dir), _check_store(loaded, data_dir), _check_ledger(loaded, data_dir)
    )
    needed = shipped_contexts(queues=bool(loaded.site.queues)) if contexts is None else contexts
    return [
        *await _check_asterisks(loaded, needed, admin, clock),
        *(check for checks in own for check in checks),
        *_check_queues(loaded, clock().date()),
        _check_disk(loaded),
        *_check_exposure(loaded),
    ]


async def _check_asterisks(loaded: Loaded, contexts: Sequence[str], admin: Login | None, clock: Clock) -> list[Check]:
    asterisks = loaded.service.asterisk
    if not asterisks:
        sentence = "no [[asterisk]] is configured: nobody watches the trunks, and none was looked at"
        return [Check("asterisk", State.WARN, sentence, "add [[asterisk]] to ringfence.toml")]
    queues = tuple(loaded.site.queues)
    listens = any(campaign.on_machine is not OnMachine.OFF for campaign in loaded.site.campaigns.values())
    expected = Expected(
        contexts, lambda number: is_emergency_number(number, loaded.site), queues=queues, listens=listens
    )
    inspected = await asyncio.gather(
        *(inspect_asterisk(each, expected=expected, clock=clock, admin=admin) for each in asterisks)
    )
    checks = [check for each in inspected for check in each.checks]
    names = {
        settings.name: each.system_name
        for settings, each in zip(asterisks, inspected, strict=True)
        if each.system_name is not None
    }
    checks += judge_system_names(names)
    found = {
        settings.name: each.queues
        for settings, each in zip(asterisks, inspected, strict=True)
        if each.queues is not None
    }
    checks += judge_queues(queues, found)
    for settings in asterisks:
        if is_loopback(loaded.service.agi.host) and not is_loopback(settings.host):
            sentence = f"FastAGI listens on {loaded.service.agi.host}, which `{settings.host}` cannot reach"
            remedy = "set `agi.host` to an address that this Asterisk reaches"
            checks.append(Check(f"{settings.name}: FastAGI", State.FAIL, sentence, remedy))
    return checks


async def _check_agi(loaded: Loaded, data_dir: DataDir) -> list[Check]:
    host = loaded.service.agi.host
    port = int(data_dir.read_run().get("agi_port", loaded.service.agi.port))
    # A service that listens everywhere is asked here.
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(target, port)
    except (OSError, TimeoutError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else "no answer"
        sentence = f"FastAGI does not answer on {target}:{port} ({why})"
        return [Check("FastAGI", State.FAIL, sentence, "start `ringfence serve`")]
    writer.close()
    return [Check("FastAGI", State.OK, f"answers on {target}:{port}")]


async def _check_store(loaded: Loaded, data_dir: DataDir) -> list[Check]:
    running = data_dir.read_run() if data_dir.is_running() else {}
    url = loaded.service.store.url or str(running.get("store_url", ""))
    if not url:
        sentence = "the embedded store runs only while the service does"
        return [Check("store", State.WARN, sentence, "start `ringfence serve` and run this again")]
    try:
        client = open_client(url, timeout_s=STORE_TIMEOUT_S)
        try:
            faults = await inspect(client)
        finally:
            await client.close()
    except (StartupError, StoreError) as exc:
        return [Check("store", State.FAIL, str(exc), "check `store.url` and that it runs")]
    return [Check("store", State.WARN, fault, "change its settings") for fault in faults] or [
        Check("store", State.OK, "answers, is new enough and keeps what it is given")
    ]


async def _check_ledger(loaded: Loaded, data_dir: DataDir) -> list[Check]:
    settings = loaded.service.ledger
    url = settings.url or data_dir.ledger_url
    if not settings.secret_file and not (data_dir.path / "secret").exists():
        sentence = "there is no ledger yet; the service makes it when it first starts"
        return [Check("ledger", State.WARN, sentence, "start `ringfence serve`")]
    try:
        secret = data_dir.secret(settings.secret_file)
        await asyncio.to_thread(open_ledger, url, secret=secret, create=False)
    except (StartupError, LedgerUnavailableError) as exc:
        return [Check("ledger", State.FAIL, str(exc), "without it nobody is dialled")]
    kind = sa.make_url(url).get_backend_name()
    return [Check("ledger", State.OK, f"can be opened for writing ({kind})")]


def _check_queues(loaded: Loaded, day: dt.date) -> list[Check]:
    """What the law says of every queue as it is configured."""
    checks = []
    for queue in loaded.site.queues.values():
        for finding in queue_findings(queue, loaded.site, day):
            source = f" ({finding.source.text})" if finding.source else ""
            state = _STATES[finding.standing]
            checks.append(Check(f"law of queue {queue.id}", state, f"{finding.sentence}{source}", finding.remedy))
    return checks


def _check_disk(loaded: Loaded) -> Check:
    path = loaded.data_dir
    while not path.exists() and path != path.parent:
        path = path.parent
    free = shutil.disk_usage(path).free
    sentence = f"{free / 1e9:.1f} GB free for `{loaded.data_dir}`"
    if free < LEAST_FREE_BYTES:
        return Check("disk", State.FAIL, sentence, "make room: without evidence nobody is dialled")
    return Check("disk", State.OK, sentence)


def _check_exposure(loaded: Loaded) -> list[Check]:
    """Which of our ports other machines reach."""
    checks = []
    agi, http = loaded.service.agi, loaded.service.http
    if not is_loopback(agi.host):
        sentence = f"FastAGI listens on {agi.host} and answers {', '.join(agi.allow_from)}"
        checks.append(Check("FastAGI port", State.WARN, sentence, "let only your Asterisks reach it (firewall)"))
    if not is_loopback(http.host):
        sentence = f"the API listens on {http.host} without TLS: tokens travel in clear"
        remedy = "listen on 127.0.0.1, behind a proxy with TLS"
        checks.append(Check("HTTP port", State.WARN, sentence, remedy))
    return checks
