"""Settings as TOML again: for `ringfence config show`, and for other processes of the same site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import SecretStr

from asterisk_plugin.settings.masking import BLANKED, mask_credentials
from asterisk_plugin.settings.service import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asterisk_plugin.settings.service import RingfenceFile


def format_service(service: RingfenceFile, *, with_credentials: bool) -> str:
    """Write every setting in force as a ringfence.toml.

    Args:
        service: The settings.
        with_credentials: Keep user and password in the URLs of store and ledger. AMI secrets are
            blanked in any case: whoever reads this does not need them.
    """
    return "\n".join(_lines(service, with_credentials=with_credentials)) + "\n"


def _lines(service: RingfenceFile, *, with_credentials: bool) -> Iterator[str]:
    sections: list[tuple[str, Section]] = [
        (f"[{name}]", getattr(service, name)) for name in type(service).model_fields if name != "asterisk"
    ]
    sections += [("[[asterisk]]", entry) for entry in service.asterisk]
    for place, (header, section) in enumerate(sections):
        if place:
            yield ""
        yield header
        yield from _section_lines(section, header.strip("[]"), with_credentials=with_credentials)


def _section_lines(section: Section, name: str, *, with_credentials: bool) -> Iterator[str]:
    tables: list[tuple[str, Section]] = []
    for key, value in section:
        if _is_tables(section, key):
            tables += [(f"{name}.{key}", entry) for entry in value]
            continue
        keep = with_credentials or key != "url"
        yield f"{key} = {_value(value if keep else mask_credentials(value))}"
    for path, entry in tables:  # after the section's own keys, or they would belong to the table
        yield ""
        yield f"[[{path}]]"
        yield from _section_lines(entry, path, with_credentials=with_credentials)


def _is_tables(section: Section, key: str) -> bool:
    """Whether a key stands for tables of its own; one without an entry is left out, because `[]` cannot be added to."""
    kinds = get_args(type(section).model_fields[key].annotation)
    return bool(kinds) and isinstance(kinds[0], type) and issubclass(kinds[0], Section)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case SecretStr():
            return _quoted(BLANKED if value.get_secret_value() else "")
        case None:
            return '""'
        case str() | Path():
            return _quoted(str(value))
        case tuple():
            return f"[{', '.join(_value(item) for item in value)}]"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, except that JSON lets DEL stand and TOML does not.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
