"""The service's own settings: `ringfence.toml`, typed.

Rule 1: every field has a default or is required, and a description with its unit; the shipped
`ringfence.toml` repeats both, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

Port = Annotated[int, Field(ge=0, le=65535)]
Digits = Annotated[str, Field(pattern=r"^[0-9]{2,15}$")]

LOOPBACK = ("127.0.0.0/8", "::1")
"""Networks of this machine alone."""

LOCAL_TOKEN = "local"  # noqa: S105 - a name
"""Name of the token that a service makes for the commands of its own machine: nobody else's may look like it."""


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


def _not_reserved(name: str) -> str:
    if name.lower() == LOCAL_TOKEN:
        raise ValueError(f"another name: `{LOCAL_TOKEN}` is that of this machine's own commands")
    return name


OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
"""A path; TOML has no null, so an empty text means none."""


class Section(BaseModel):
    """A table of a configuration file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ServiceSettings(Section):
    """`[service]`"""

    data_dir: Path = Field(
        Path("~/.local/share/ringfence"),
        description="embedded store, ledger, secret, lock; or the environment's RINGFENCE_DATA_DIR",
    )
    workers: int = Field(1, ge=1, le=64, description="processes that answer FastAGI")
    drain_s: float = Field(30, ge=0, le=600, description="seconds running sessions may take to end on SIGTERM")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    mask_numbers: bool = Field(True, description="show only the last three digits of numbers in logs")


class GateSettings(Section):
    """`[gate]`"""

    deadline_ms: int = Field(300, ge=10, le=10_000, description="after this a decision is DEFER")
    token_lifetime_s: float = Field(10, ge=1, le=300, description="seconds between verdict and trunk leg")
    evidence_wait_ms: int = Field(
        1000, ge=10, le=10_000, description="longest wait for evidence on disk before an INVITE"
    )
    last_dial_s: int = Field(
        60, ge=0, le=3600, description="stop dialling so many seconds before a calling window ends"
    )
    never_call: tuple[str, ...] = Field(
        ("premium", "shared-cost", "voicemail", "short"), description="line types that are never called"
    )
    emergency_extra: tuple[Digits, ...] = Field((), description="further numbers that always pass: digits, as dialled")
    accepted_unchecked: tuple[str, ...] = Field((), description="rulebook values marked `recall` that may be used")


class AgiSettings(Section):
    """`[agi]`"""

    host: str = Field("127.0.0.1", description="address that FastAGI listens on")
    port: Port = Field(4573, description="its port; 0 lets the system choose")
    allow_from: tuple[str, ...] = Field(
        (), description="addresses, networks, machines that may connect; empty: loopback and those of [[asterisk]]"
    )
    header_timeout_s: float = Field(2, gt=0, le=60, description="longest time a peer may take to send its request")
    reply_timeout_s: float = Field(5, gt=0, le=60, description="longest wait for one reply of Asterisk")
    max_connections: int = Field(4000, ge=1, description="further connections are closed at once")


class AudioSocketSettings(Section):
    """`[audiosocket]`: where Asterisk (18 and later) brings the sound of answered calls"""

    host: str = Field("127.0.0.1", description="address to listen on, which Asterisk is told: its own network's")
    port: Port = Field(4574, description="its port, and those above it for workers; 0 lets the system choose")


class TokenSettings(Section):
    """`[[http.token]]`: who may use the API; made by `ringfence token new NAME`"""

    name: Annotated[str, AfterValidator(_not_reserved)] = Field(
        pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="1 to 40 letters, digits, `_`, `.` or `-`; not `local`"
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token, 64 hex digits")
    may: tuple[Literal["enter", "read", "transfer"], ...] = Field(
        ("enter",),
        description="`enter` objections, `read` those of everybody, `transfer` calls to the objection line",
    )


def _each_its_own(tokens: tuple[TokenSettings, ...]) -> tuple[TokenSettings, ...]:
    for what, values in (("name", [one.name for one in tokens]), ("sha256", [one.sha256 for one in tokens])):
        if twice := [value for place, value in enumerate(values) if value in values[:place]]:
            raise ValueError(f"tokens with a {what} of its own each; `{twice[0]}` stands there twice")
    return tokens


class HttpSettings(Section):
    """`[http]`"""

    host: str = Field("127.0.0.1", description="address of the API, /healthz, /readyz and /metrics")
    port: Port = Field(8480, description="its port; 0 lets the system choose")
    requests_per_s: float = Field(20, gt=0, le=10_000, description="requests a token may make; twice as many at once")
    header_timeout_s: float = Field(5, gt=0, le=60, description="longest time a peer may take to send a whole header")
    max_connections: int = Field(64, ge=1, le=4000, description="further connections are closed at once")
    token: Annotated[tuple[TokenSettings, ...], AfterValidator(_each_its_own)] = ()


class StoreSettings(Section):
    """`[store]`"""

    url: str = Field(
        "",
        repr=False,
        description="redis://, rediss://, unix://, sentinel:// or cluster://; empty: embedded Valkey;"
        " or the environment's RINGFENCE_STORE_URL",
    )
    timeout_ms: int = Field(250, ge=10, le=10_000, description="longest wait for one answer; below gate.deadline_ms")
    connections: int = Field(4, ge=1, le=256, description="connections each worker keeps open")


class LedgerSettings(Section):
    """`[ledger]`"""

    url: str = Field(
        "",
        repr=False,
        description="SQLAlchemy URL; empty: SQLite in data_dir; or the environment's RINGFENCE_LEDGER_URL",
    )
    secret_file: OptionalPath = Field(None, description="key of the person tags, 32+ bytes; empty: made in data_dir")


class AsteriskSettings(Section):
    """`[[asterisk]]`: one AMI connection"""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="1 to 40 letters, digits, `_`, `.` or `-`")
    host: str = Field("127.0.0.1", description="address of its manager interface")
    port: Port = Field(5038, description="its port")
    username: str = Field(min_length=1, description="AMI user, as in manager.conf")
    secret: SecretStr = Field(SecretStr(""), description="or the environment's RINGFENCE_AMI_SECRET_<NAME>")
    trunks: tuple[str, ...] = Field(min_length=1, description="channel prefixes of trunks, `PJSIP/carrier`")
    ping_s: float = Field(2, gt=0, le=60, description="pause between pings")
    ping_timeout_s: float = Field(3, gt=0, le=60, description="no answer in this time: frozen, reconnect")


class RingfenceFile(Section):
    """The whole of `ringfence.toml`."""

    service: ServiceSettings = ServiceSettings()
    gate: GateSettings = GateSettings()
    agi: AgiSettings = AgiSettings()
    audiosocket: AudioSocketSettings = AudioSocketSettings()
    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
    ledger: LedgerSettings = LedgerSettings()
    asterisk: tuple[AsteriskSettings, ...] = ()

    @model_validator(mode="after")
    def _let_the_asterisks_in(self) -> Self:
        """Fill in who may use FastAGI where nobody is named: its server and the workers know no Asterisks."""
        if not self.agi.allow_from:
            hosts = (*LOOPBACK, *(entry.host for entry in self.asterisk if entry.host))
            agi = self.agi.model_copy(update={"allow_from": tuple(dict.fromkeys(hosts))})
            object.__setattr__(self, "agi", agi)  # frozen for everybody else
        return self
