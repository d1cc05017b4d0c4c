"""Every key of persons that this package keeps in Redis or Valkey, in one place; those of waiting callers: `waits.py`.

`xx` is the first two hex characters of the person tag: the bucket. It is the part of the key
that Cluster hashes, so all keys of one number, and the marker that says they are complete, lie
in one slot and one script may touch them. 256 buckets spread well over any number of nodes.

| key                          | type   | holds                                             | lifetime |
|---|---|---|---|
| `rf:{xx}:ready`              | string | `generation:ledger:keep_ms:layout`; absent: this  | none |
|                              |        | bucket is not complete                            |      |
| `rf:{xx}:building`           | string | generation that fills this bucket now             | none |
| `rf:{xx}:<tag>:objections`   | hash   | `scope,id` (scope: principal id or `*`) -> record | none |
| `rf:{xx}:<tag>:lifted`       | hash   | `objection id,consent id` -> record: withdrawn    | none |
|                              |        | because of that consent, see `standing.lua`       |      |
| `rf:{xx}:<tag>:consents`     | hash   | `principal,id,purpose,product` -> record          | none |
| `rf:{xx}:<tag>:withdrawals`  | hash   | `principal,purpose,product` -> record             | none |
| `rf:{xx}:<tag>:relationships`| hash   | `principal,product` -> record                     | none |
| `rf:{xx}:<tag>:ended`        | hash   | `what,principal,campaign` -> epoch ms of the      | none |
|                              |        | latest call that ended so, or refusal             |      |
| `rf:{xx}:<tag>:attempts`     | zset   | `principal,campaign,attempt_id`, score: epoch ms  | longest window |
| `rf:{xx}:<tag>:token:<token>`| string | JSON: what a token was issued for                 | the token's |
| `rf:{xx}:campaign:<id>:day:<zone>:<day>` | hash | outcome -> how many of the campaign's | 33 d |
|                              |        | calls of that day ended so                        |      |
| `rf:{xx}:campaign:<id>:seen:<n>` | string | bit for each ledger row of a block: counted   | 33 d |
| `rf:{xx}:campaign:<id>:flights` | zset | attempts under way without a reserved agent,     | the longest |
|                              |        | score: epoch ms at which one is given up          | of them |
| `rf:pass:<channel>`          | string | JSON: this trunk channel passed the gate, for whom| 24 h |
| `rf:calls:<asterisk>`        | hash   | unique id -> JSON: a call that runs there         | 7 d  |
| `rf:due`                     | hash   | attempt id -> JSON: a leg that passed the gate,   | 7 d  |
|                              |        | whose end is due, and that nobody follows yet     |      |
| `rf:watch:<asterisk>`        | string | `1`: somebody sees all that happens there         | 20 s |
| `rf:claim:<what>`            | string | `1`: one of several processes does this           | 1 h  |
| `rf:position`                | hash   | `seq`, `hash`, `generation`, `ledger`, `keep_ms`, | none |
|                              |        | `moved_ms`, `evicted`                             |      |
| `rf:rebuild`                 | string | generation being built, a lease                   | 10 s, renewed |

A campaign's bucket is that of its id's SHA-256.
The names joined by commas in the table are joined by `|`. `rf:position` says how far the ledger is
projected, from which one (`ledger`: the hash of its first row, empty while it had none), how old an
attempt may be to be kept, when a projector was last at work (server clock) and how many keys each
server had thrown away when it was filled.
A record is `<seq> <JSON>`: the ledger row that wrote it, and its values, with times in ISO 8601 and,
where a script compares them, in milliseconds since 1970 (`ms`, `until_ms`).
Each objection and each consent has a field of its own, named by its event: what was withdrawn stays
withdrawn, and what came later stands, in whatever order and however often rows are written.
Rule 1: keys without a lifetime, and the counts of a campaign's days, can all be made again from the ledger.
Rule 2: no key and no value holds a telephone number of a called person.
"""

from __future__ import annotations

import hashlib

POSITION = "rf:position"
LEASE = "rf:rebuild"
DUE = "rf:due"
EVERYTHING_OF_A_PERSON = "rf:{??}:*"
"""SCAN pattern of every projected key; the passed channels and the lease are not among them."""

BUCKETS = tuple(f"{number:02x}" for number in range(256))

_BUCKETS = frozenset(BUCKETS)

_LONGEST_PLAIN = 200

PASSED_LIFETIME_MS = 24 * 3600 * 1000
"""A trunk channel is forgotten after this long even when its end was missed."""

RUNNING_LIFETIME_MS = 7 * 24 * 3600 * 1000
"""A call whose end is to be written down waits so long for a service that does: a long weekend."""

WATCH_LIFETIME_MS = 20_000
"""So long after its last sign somebody who watched an Asterisk is gone: four looks."""

CLAIM_LIFETIME_MS = 3600 * 1000
"""What only one process does is done within this long."""

LAYOUT = "3"
"""Version of this table; `ready.lua` names it too. Counted up with every change that a program of the
version before would misread: it finds no marker that it knows then, and dials nobody."""

ROWS_PER_BLOCK = 8192
"""Ledger rows for which one key remembers whether they were counted: a kilobyte."""

_FLIGHTS = ":flights"

LEASE_LIFETIME_MS = 10_000
"""A rebuild that shows no life for this long may be taken over by another process."""


def bucket_of(person: str) -> str:
    """The two hex characters that choose a number's slot."""
    return person[:2]


def bucket_of_campaign(campaign: str) -> str:
    """The bucket in which everything about a campaign lies."""
    return hashlib.sha256(campaign.encode()).hexdigest()[:2]


def bucket_in(key: str) -> str:
    """The bucket of a key that lies in one."""
    return key[4:6]


def ready(bucket: str) -> str:
    """Marker that everything of this bucket is projected."""
    return f"rf:{{{bucket}}}:ready"


def building(bucket: str) -> str:
    """Whose rebuild fills this bucket now: nobody else may write into it."""
    return f"rf:{{{bucket}}}:building"


def marker(generation: str, ledger_id: str, keep_ms: int) -> str:
    """Value of a ready marker: what filled the bucket, from which ledger, for how long attempts; in which layout."""
    return f"{generation}:{ledger_id}:{keep_ms}:{LAYOUT}"


def projected(name: bytes) -> str:
    """The key if a rebuild may remove it, else empty: no token, no marker, no call under way, nobody else's."""
    if not name.isascii():
        return ""
    key = name.decode("ascii")
    bucket = bucket_in(key)
    if bucket not in _BUCKETS or key in {ready(bucket), building(bucket)}:
        return ""
    return "" if ":token:" in key or key.endswith(_FLIGHTS) else key


def objections(person: str) -> str:
    """Hash of a number's objections by scope."""
    return f"rf:{{{person[:2]}}}:{person}:objections"


def lifted(person: str) -> str:
    """Hash of objections withdrawn, each with the consent that it was withdrawn by."""
    return f"rf:{{{person[:2]}}}:{person}:lifted"


def consents(person: str) -> str:
    """Hash of consents given."""
    return f"rf:{{{person[:2]}}}:{person}:consents"


def withdrawals(person: str) -> str:
    """Hash of consents withdrawn."""
    return f"rf:{{{person[:2]}}}:{person}:withdrawals"


def relationships(person: str) -> str:
    """Hash of customer relationships."""
    return f"rf:{{{person[:2]}}}:{person}:relationships"


def ended(person: str) -> str:
    """Hash of how calls to a number ended."""
    return f"rf:{{{person[:2]}}}:{person}:ended"


def campaign_day(campaign: str, zone: str, day: str) -> str:
    """Hash of how a campaign's calls of one day ended.

    Args:
        campaign: Its id.
        zone: By whose days it is counted: counts of two zones are never added up.
        day: ISO 8601.
    """
    return f"rf:{{{bucket_of_campaign(campaign)}}}:campaign:{campaign}:day:{zone}:{day}"


def campaign_seen(campaign: str, seq: int) -> str:
    """Which ledger rows of a block were counted for a campaign."""
    return f"rf:{{{bucket_of_campaign(campaign)}}}:campaign:{campaign}:seen:{seq // ROWS_PER_BLOCK}"


def flights(campaign: str) -> str:
    """Sorted set of a campaign's attempts under way without a reserved agent."""
    return f"rf:{{{bucket_of_campaign(campaign)}}}:campaign:{campaign}{_FLIGHTS}"


def attempts(person: str) -> str:
    """Sorted set of attempts."""
    return f"rf:{{{person[:2]}}}:{person}:attempts"


def token(person: str, value: str) -> str:
    """What one token was issued for; it lies under the number it may dial."""
    return f"rf:{{{person[:2]}}}:{person}:token:{value}"


def running(asterisk: str) -> str:
    """Hash of the calls that run on an Asterisk, by unique id."""
    return f"rf:calls:{asterisk}"


def watched(asterisk: str) -> str:
    """Marker that somebody sees all that happens on an Asterisk."""
    return f"rf:watch:{asterisk}"


def claim(what: str) -> str:
    """Marker that one of several processes does something."""
    return f"rf:claim:{what}"


def passed(channel: str) -> str:
    """Marker that a trunk channel passed the gate.

    Args:
        channel: What names it, any text: Asterisk takes what a peer sent into a channel's name.
    """
    if channel.isascii() and channel.isprintable() and len(channel) <= _LONGEST_PLAIN and channel[:1] != "#":
        return f"rf:pass:{channel}"
    # Half a surrogate pair comes from bytes that are no UTF-8; it must not fail here.
    return f"rf:pass:#{hashlib.sha256(channel.encode('utf-8', 'surrogatepass')).hexdigest()}"
