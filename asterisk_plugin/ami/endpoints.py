"""What a PJSIP endpoint's options do to the number that the called person sees.

Seen on Asterisk 22.10 in the INVITE of a `Dial()` from a channel with an allowed caller ID:
`from_user` replaces the number in From and Contact; `callerid`, `callerid_privacy` and a
`set_var` of CALLERID change nothing there (they concern calls that come in); `send_pai` adds
P-Asserted-Identity; a withheld number is left out of it unless `trust_id_outbound`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asterisk_plugin.ami.findings import Check, State

if TYPE_CHECKING:
    from collections.abc import Mapping

YES = frozenset({"yes", "true"})


def judge_endpoint(endpoint: str, detail: Mapping[str, str]) -> list[Check]:
    """Judge one trunk's endpoint.

    Args:
        endpoint: Its name in pjsip.conf.
        detail: Its EndpointDetail event.
    """
    name = f"endpoint {endpoint}"
    checks = [*_failures(name, detail), *_warnings(name, detail)]
    return checks or [Check(name, State.OK, "the carrier sees the number that the gate chose")]


def _failures(name: str, detail: Mapping[str, str]) -> list[Check]:
    checks = []
    if user := detail.get("FromUser", ""):
        sentence = f"`from_user = {user}` replaces every caller ID by `{user}`"
        remedy = "remove it; if the carrier needs it to know you, use outbound_auth or send_pai"
        checks.append(Check(name, State.FAIL, sentence, remedy))
    if "anonymous" in (domain := detail.get("FromDomain", "")).lower():
        sentence = f"`from_domain = {domain}` says that the caller withholds the number"
        checks.append(Check(name, State.FAIL, sentence, "use your own domain or remove it"))
    if (method := detail.get("RedirectMethod", "")).startswith("uri_pjsip"):
        sentence = f"`redirect_method = {method}`: the carrier can send a call to another number, past the gate"
        checks.append(Check(name, State.FAIL, sentence, "redirect_method = user"))
    return checks


def _warnings(name: str, detail: Mapping[str, str]) -> list[Check]:
    checks = []
    if not (privacy := detail.get("CalleridPrivacy", "allowed")).startswith("allowed"):
        sentence = f"`callerid_privacy = {privacy}` marks callers as withheld, those that come in at least"
        checks.append(Check(name, State.WARN, sentence, "remove it from a trunk"))
    if (caller_id := detail.get("Callerid", "")) not in ("", "<unknown>", '"" <unknown>'):
        sentence = f"`callerid = {caller_id}` replaces the number of everybody who calls in"
        checks.append(Check(name, State.WARN, sentence, "remove it from a trunk"))
    if "CALLERID" in (variables := detail.get("SetVar", "")).upper():
        sentence = f"`set_var = {variables}` sets a caller ID of its own"
        checks.append(Check(name, State.WARN, sentence, "remove it from a trunk"))
    identity = {option for option in ("SendPai", "SendRpid") if detail.get(option, "") in YES}
    if not identity:
        sentence = "neither `send_pai` nor `send_rpid`: the carrier sees the number in From only"
        checks.append(Check(name, State.WARN, sentence, "send_pai = yes, unless the carrier objects"))
    elif detail.get("TrustIdOutbound", "") not in YES:
        sentence = "`trust_id_outbound = no`: the carrier is not told who calls when the number is withheld"
        checks.append(Check(name, State.WARN, sentence, "trust_id_outbound = yes, if you trust the carrier"))
    return checks
