"""Every error of this package.

RingfenceError                      never raised itself
├── StartupError                    the command cannot go on: one line, exit code 2
│   ├── ConfigError                 every problem of every file, found in one go
│   └── AlreadyRunningError         another service holds this data directory or port
├── InputError                      what a person typed or a file they gave: exit code 2
│   ├── ImportRefusedError          every bad line of an import file; nothing was taken
│   └── NoSuchCallError             no running call with that channel
├── ProtocolError                   never raised itself
│   ├── LocalProtocolError          we broke it: our bug
│   └── RemoteProtocolError         the peer broke it or passed a limit: close, warn
├── ChannelError                    this call cannot do that
│   ├── CommandRefusedError         AGI 510 or 520
│   ├── CommandFailedError          200 with result=-1
│   └── ReplyTimeoutError           no reply in time
├── ManagerError                    AMI
│   ├── LoginRefusedError           wrong user or secret: says so, tries again slowly
│   ├── ActionRefusedError          Response: Error
│   └── ManagerLostError            not connected, or no answer in time
├── StoreError                      Redis or Valkey
│   ├── StoreUnreachableError       refused, closed, or not there
│   ├── StoreTimeoutError           no answer in time
│   ├── StoreNotReadyError          reachable, but not (or no longer) projected from the ledger
│   └── StoreCorruptError           a record that cannot be read
├── LedgerError                     the evidence
│   ├── LedgerUnavailableError      cannot be written now
│   ├── LedgerBrokenError           the chain does not verify
│   └── NotRecordedError            an objection that neither ledger nor spool has taken
└── ParameterNotInForceError        the law had no such parameter on that day

ChannelHungUp                       outside the tree: the normal end of a call, not an error;
                                    `except RingfenceError` must never swallow it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


class RingfenceError(Exception):
    """Root of the tree; never raised itself."""


class StartupError(RingfenceError):
    """The command cannot go on; shown as one line, exit code 2."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong in one configuration file.

    Args:
        file: Path as the admin knows it.
        key: Dotted key, `campaign[2].principal`; empty when the file itself is the problem.
        found: What stands there, as text.
        allowed: What would be right, as text.
        line: 1-based line in the file, 0 when not known.
    """

    file: str
    key: str
    found: str
    allowed: str
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" `{self.key}`" if self.key else ""
        found = f" found {self.found};" if self.found else ""
        return f"{where}:{key}{found} {self.allowed}"


class ConfigError(StartupError):
    """Configuration that cannot be used; carries every problem, not only the first."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class AlreadyRunningError(StartupError):
    """Another service holds this data directory."""


class InputError(RingfenceError):
    """What a person typed, or a file they gave, cannot be used: exit code 2."""


class ImportRefusedError(InputError):
    """An import file with bad lines; nothing of it was taken.

    Args:
        file: The file's path.
        problems: (line number, what is wrong and what is allowed) pairs, first ones only.
        total: How many bad lines there are in all.
    """

    def __init__(self, file: str, problems: Sequence[tuple[int, str]], total: int) -> None:
        self.file = file
        self.problems = tuple(problems)
        self.total = total
        super().__init__(f"{file}: {total} bad line(s), nothing was imported")


class NoSuchCallError(InputError):
    """No Asterisk has a running call with this channel, or nobody is at its other end."""


class ProtocolError(RingfenceError):
    """A protocol was broken; never raised itself."""


class LocalProtocolError(ProtocolError):
    """We were about to break the protocol: a bug of ours; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol or passed a limit."""


class ChannelError(RingfenceError):
    """This call cannot do that."""


class CommandRefusedError(ChannelError):
    """AGI 510 (unknown command) or 520 (wrong usage)."""


class CommandFailedError(ChannelError):
    """AGI 200 with result=-1."""


class ReplyTimeoutError(ChannelError):
    """Asterisk did not reply in time."""


class ManagerError(RingfenceError):
    """Asterisk Manager Interface."""


class LoginRefusedError(ManagerError):
    """Asterisk refused the AMI user or secret."""


class ActionRefusedError(ManagerError):
    """Asterisk answered `Response: Error`."""


class ManagerLostError(ManagerError):
    """Not connected, or no answer in time."""


class StoreError(RingfenceError):
    """Redis or Valkey could not answer."""


class StoreUnreachableError(StoreError):
    """Refused, closed, or not there."""


class StoreTimeoutError(StoreError):
    """No answer in time."""


class StoreNotReadyError(StoreError):
    """Reachable, but not, or no longer, projected from the ledger: an emptied store."""


class StoreCorruptError(StoreError):
    """A record in the store that cannot be read."""


class LedgerError(RingfenceError):
    """The evidence."""


class LedgerUnavailableError(LedgerError):
    """Evidence cannot be written now: no proof, no call."""


class LedgerBrokenError(LedgerError):
    """The chain does not verify.

    Args:
        seq: The first row at which it breaks.
        reason: What is wrong there: edited, removed, re-ordered.
    """

    def __init__(self, seq: int, reason: str) -> None:
        self.seq = seq
        self.reason = reason
        super().__init__(f"ledger row {seq}: {reason}")


class NotRecordedError(LedgerError):
    """An objection is nowhere on disk for certain: the person must be told so, never that it was recorded."""


class ParameterNotInForceError(RingfenceError):
    """The law had no such parameter on that day.

    Args:
        parameter: Its dotted name, `nl.calling_hours`.
        day: The day that was asked for.
    """

    def __init__(self, parameter: str, day: dt.date) -> None:
        self.parameter = parameter
        self.day = day
        super().__init__(f"`{parameter}` was not in force on {day.isoformat()}")


class ChannelHungUp(Exception):
    """The other side hung up; outside the tree on purpose."""
