"""Everything the admin wrote, read in one go: all of it usable, or every problem of every file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from asterisk_plugin.errors import ConfigError, ConfigProblem
from asterisk_plugin.settings import environment as env
from asterisk_plugin.settings.cross import (
    STORE_SCHEMES,
    campaign_problems,
    secret_problems,
    service_problems,
)
from asterisk_plugin.settings.explain import check_shape, choices
from asterisk_plugin.settings.files import ConfigFile, read_config_file, shipped
from asterisk_plugin.settings.masking import BLANKED, mask_credentials
from asterisk_plugin.settings.service import RingfenceFile
from asterisk_plugin.settings.show import format_service
from asterisk_plugin.settings.site import CampaignsFile, build_admin, build_site, no_admin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asterisk_plugin.core.rulebook import Rulebook
    from asterisk_plugin.core.site import Principal, Site

SERVICE_FILE = "ringfence.toml"
CAMPAIGNS_FILE = "campaigns.toml"
RULEBOOK_FOLDER = "rulebook"


@dataclass(frozen=True, slots=True)
class Loaded:
    """One consistent configuration.

    Args:
        service: The service's own settings, with what the environment adds and paths made absolute.
        site: Everything a decision needs.
        principals: By id.
        texts: What each file says, by name, secrets blanked: goes to the evidence.
        directory: Where the files are.
        data_dir: Where the service keeps what it writes; it need not exist yet.
        warnings: What is allowed and probably not meant: an AMI connection without a secret.
    """

    service: RingfenceFile
    site: Site
    principals: Mapping[str, Principal]
    texts: Mapping[str, str] = field(repr=False)
    directory: Path
    data_dir: Path
    warnings: tuple[ConfigProblem, ...] = ()

    @property
    def active_texts(self) -> Mapping[str, str]:
        """The same configuration for other processes of this site, file name -> text.

        What the environment and the command line added is written out and paths are absolute, so that
        a process started by Asterisk, elsewhere and without those variables, reads the same. Holds the
        credentials of store and ledger, not those of AMI.
        """
        return {**self.texts, SERVICE_FILE: format_service(self.service, with_credentials=True)}

    @property
    def is_shipped(self) -> bool:
        """Tell whether these are the defaults that come with the program, with their example campaigns."""
        return self.directory == shipped("config")


def load(path: Path | None, *, data_dir: Path | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read and check all configuration files.

    Args:
        path: A configuration directory or a ringfence.toml; None for the shipped defaults. A directory
            without ringfence.toml or rulebook/ uses the shipped one; without campaigns.toml it has no
            campaigns.
        data_dir: Used in place of what the files and the environment say.
        environment: Variables to use; None for those of this process.

    Raises:
        ConfigError: With every problem of every file.
    """
    variables = env.read_environment() if environment is None else environment
    directory = shipped("config") if path is None else _directory(path)
    problems: list[ConfigProblem] = []
    service_file = _read(_own_or_shipped(path, directory), SERVICE_FILE, problems)
    campaigns_path = directory / CAMPAIGNS_FILE
    campaigns_file = _read(campaigns_path, CAMPAIGNS_FILE, problems) if campaigns_path.exists() else None
    rulebook_files, rulebooks = _load_rulebooks(directory, problems)
    usable_rulebooks = rulebooks if len(rulebooks) == len(rulebook_files) else None

    service = admin_file = None
    if service_file:
        service, found = check_shape(service_file, RingfenceFile)
        problems += found
        problems += service_problems(service_file, usable_rulebooks)
    if campaigns_file:
        admin_file, found = check_shape(campaigns_file, CampaignsFile)
        problems += found
        problems += campaign_problems(campaigns_file, usable_rulebooks)
    problems += _environment_problems(variables)
    if problems or service is None or service_file is None:
        raise ConfigError(_in_order(problems))

    service = _complete(service, directory, variables, data_dir)
    files = [file for file in (service_file, campaigns_file, *rulebook_files) if file]
    texts = {file.name: _without_secrets(file) for file in files}
    admin = build_admin(admin_file) if admin_file else no_admin()
    site = build_site(admin, service.gate, rulebooks, _version(texts, service))
    warnings = tuple(secret_problems(service_file, variables))
    return Loaded(service, site, admin.principals, texts, directory, service.service.data_dir, warnings)


def _directory(path: Path) -> Path:
    absolute = path.expanduser().absolute()
    if absolute.is_dir():
        return absolute
    if absolute.exists():
        return absolute.parent
    raise ConfigError(
        [ConfigProblem(str(path), "", "nothing there", "must be a configuration directory or a ringfence.toml")]
    )


def _own_or_shipped(path: Path | None, directory: Path) -> Path:
    if path is not None and path.expanduser().is_file():
        return path.expanduser().absolute()
    own = directory / SERVICE_FILE
    return own if own.exists() else shipped("config", SERVICE_FILE)


def _read(path: Path, name: str, problems: list[ConfigProblem]) -> ConfigFile | None:
    file = read_config_file(path, name)
    if isinstance(file, ConfigFile):
        return file
    problems.append(file)
    return None


def _load_rulebooks(
    directory: Path, problems: list[ConfigProblem]
) -> tuple[list[ConfigFile | None], dict[str, Rulebook]]:
    """Every file of the rulebook folder, None for the unreadable, and the rulebooks of those in order."""
    # Imported late: the rulebook needs `holidays`, which is slow to load, and most commands fail before it.
    from asterisk_plugin.core.rulebook import parse_rulebook

    own = directory / RULEBOOK_FOLDER
    folder = own if own.is_dir() else shipped("config", RULEBOOK_FOLDER)
    files: list[ConfigFile | None] = []
    rulebooks: dict[str, Rulebook] = {}
    for path in sorted(folder.glob("*.toml")):
        file = _read(path, f"{RULEBOOK_FOLDER}/{path.name}", problems)
        files.append(file)
        if file is None:
            continue
        try:
            rulebook = parse_rulebook(file.tables, file=str(path), text=file.text)
        except ConfigError as exc:
            problems.extend(_with_line(file, problem) for problem in exc.problems)
            continue
        if rulebook.country in rulebooks:
            problems.append(
                file.problem(
                    ("country",),
                    f"`{rulebook.country}`",
                    "must be a country without a rulebook: there is one in this folder",
                )
            )
        rulebooks[rulebook.country] = rulebook
    return files, rulebooks


def _with_line(file: ConfigFile, problem: ConfigProblem) -> ConfigProblem:
    """The core knows no lines: it is given tables."""
    if problem.line:
        return problem
    path = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", problem.key))
    placed = file.problem(path, problem.found, problem.allowed)
    return ConfigProblem(problem.file, problem.key, problem.found, problem.allowed, placed.line)


def _environment_problems(variables: Mapping[str, str]) -> list[ConfigProblem]:
    url = variables.get(env.STORE_URL, "")
    if url and not url.startswith(STORE_SCHEMES):
        # The value may hold a password, and an address we cannot read we cannot mask either.
        allowed = f"must start with {choices(STORE_SCHEMES)}"
        return [ConfigProblem("environment", env.STORE_URL, "another address", allowed)]
    return []


def _in_order(problems: list[ConfigProblem]) -> list[ConfigProblem]:
    files = list(dict.fromkeys(problem.file for problem in problems))
    return sorted(dict.fromkeys(problems), key=lambda problem: (files.index(problem.file), problem.line))


def _complete(
    service: RingfenceFile, directory: Path, variables: Mapping[str, str], data_dir: Path | None
) -> RingfenceFile:
    """Add what the environment says, and make paths absolute, those in the file from the file's directory."""
    own = service.service
    given = data_dir or (Path(value) if (value := variables.get(env.DATA_DIR)) else None)
    place = given.expanduser().absolute() if given else _from(directory, own.data_dir)
    secret_file = service.ledger.secret_file
    asterisks = tuple(
        entry.model_copy(update={"secret": SecretStr(secret)})
        if (secret := variables.get(env.ami_secret_name(entry.name)))
        else entry
        for entry in service.asterisk
    )
    ledger: dict[str, Any] = {
        "url": variables.get(env.LEDGER_URL) or service.ledger.url,
        "secret_file": _from(directory, secret_file) if secret_file else None,
    }
    store = {"url": variables.get(env.STORE_URL) or service.store.url}
    return service.model_copy(
        update={
            "service": own.model_copy(update={"data_dir": place}),
            "store": service.store.model_copy(update=store),
            "ledger": service.ledger.model_copy(update=ledger),
            "asterisk": asterisks,
        }
    )


def _from(directory: Path, path: Path) -> Path:
    return directory / path.expanduser()


def _version(texts: Mapping[str, str], service: RingfenceFile) -> str:
    """Hash of all that a decision depends on: of ringfence.toml only `[gate]`, as it is in force."""
    digest = hashlib.sha256()
    for name, text in sorted({**texts, SERVICE_FILE: service.gate.model_dump_json()}.items()):
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()[:12]


def _without_secrets(file: ConfigFile) -> str:
    """The text of a file as it may be kept for ever: AMI secrets and the credentials of URLs blanked."""
    if file.name != SERVICE_FILE:
        return file.text
    text = mask_credentials(file.text)
    for entry in file.tables.get("asterisk", []):
        if secret := entry.get("secret"):
            if secret not in text:
                return f"# not kept: {SERVICE_FILE} holds a secret in a form that could not be blanked\n"
            text = text.replace(secret, BLANKED)
    return text
