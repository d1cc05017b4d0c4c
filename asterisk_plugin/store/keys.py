"""Every key this package keeps in Redis or Valkey, in one place.

`xx` is the first two hex characters of the person tag: the bucket. It is the part of the key
that Cluster hashes, so all keys of one number, and the marker that says they are complete, lie
in one slot and one script may touch them. 256 buckets spread well over any number of nodes.

| key                          | type   | holds                                             | lifetime |
|---|---|---|---|
| `rf:{xx}:ready`              | string | generation; absent: this bucket is not complete   | none |
| `rf:{xx}:<tag>:objections`   | hash   | scope (principal id or `*`) -> record             | none |
| `rf:{xx}:<tag>:consents`     | hash   | `principal,purpose,product` -> record             | none |
| `rf:{xx}:<tag>:withdrawals`  | hash   | `principal,purpose,product` -> record             | none |
| `rf:{xx}:<tag>:relationships`| hash   | `principal,product` -> record                     | none |
| `rf:{xx}:<tag>:attempts`     | zset   | `principal,campaign,attempt_id`, score: epoch ms  | longest window |
| `rf:{xx}:<tag>:token:<token>`| string | JSON: what a token was issued for                 | the token's |
| `rf:pass:<unique_id>`        | string | `1`: this trunk channel passed the gate           | 24 h |
| `rf:position`                | hash   | `seq`, `hash`, `generation`, `keep_ms`            | none |
| `rf:rebuild`                 | string | generation being built, a lease                   | 5 s, renewed |

The names joined by commas in the table are joined by `|`. `rf:position` says how far the ledger is
projected and how old an attempt may be to be kept.
A record is `<seq> <JSON>`: the ledger row that wrote it, and its values, with times in ISO 8601.
Rule 1: keys without a lifetime can all be made again from the ledger.
Rule 2: no key and no value holds a telephone number of a called person.
"""

from __future__ import annotations

POSITION = "rf:position"
LEASE = "rf:rebuild"
EVERYTHING_OF_A_PERSON = "rf:{??}:*"
"""SCAN pattern of every projected key; the passed channels and the lease are not among them."""

BUCKETS = tuple(f"{number:02x}" for number in range(256))

PASSED_LIFETIME_MS = 24 * 3600 * 1000
"""A trunk channel is forgotten after this long even when its end was missed."""

LEASE_LIFETIME_MS = 5_000
"""A rebuild that shows no life for this long may be taken over by another process."""


def bucket_of(person: str) -> str:
    """The two hex characters that choose a number's slot."""
    return person[:2]


def ready(bucket: str) -> str:
    """Marker that everything of this bucket is projected."""
    return f"rf:{{{bucket}}}:ready"


def objections(person: str) -> str:
    """Hash of a number's objections by scope."""
    return f"rf:{{{person[:2]}}}:{person}:objections"


def consents(person: str) -> str:
    """Hash of consents given."""
    return f"rf:{{{person[:2]}}}:{person}:consents"


def withdrawals(person: str) -> str:
    """Hash of consents withdrawn."""
    return f"rf:{{{person[:2]}}}:{person}:withdrawals"


def relationships(person: str) -> str:
    """Hash of customer relationships."""
    return f"rf:{{{person[:2]}}}:{person}:relationships"


def attempts(person: str) -> str:
    """Sorted set of attempts."""
    return f"rf:{{{person[:2]}}}:{person}:attempts"


def token(person: str, value: str) -> str:
    """What one token was issued for; it lies under the number it may dial."""
    return f"rf:{{{person[:2]}}}:{person}:token:{value}"


def is_token(key: str) -> bool:
    """Tell a token's key from the projected ones: a rebuild leaves tokens alone."""
    return ":token:" in key


def passed(unique_id: str) -> str:
    """Marker that a trunk channel passed the gate."""
    return f"rf:pass:{unique_id}"
