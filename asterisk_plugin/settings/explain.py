"""What pydantic finds wrong, in plain words: what stands there, and what is allowed."""

from __future__ import annotations

import datetime as dt
import difflib
import enum
import json
import re
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, SecretStr, ValidationError

from asterisk_plugin.settings.masking import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from asterisk_plugin.errors import ConfigProblem
    from asterisk_plugin.settings.files import ConfigFile
    from asterisk_plugin.settings.toml_lines import KeyPath

MAX_SHOWN_CHARS = 60
"""Longest value repeated in a message; a whole certificate pasted by mistake is not helpful."""

_CHOICE = re.compile("`([^`]+)`")
_PLAIN = {
    str: "text in quotes",
    Path: "a path in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dt.date: "a date such as 2026-07-01",
    SecretStr: "text in quotes",
}

Model = TypeVar("Model", bound=BaseModel)


def check_shape(file: ConfigFile, model: type[Model]) -> tuple[Model | None, list[ConfigProblem]]:
    """Read a file's tables as a model, strictly: `"1"` is no number and 1 is no text.

    Args:
        file: What was read.
        model: What it must look like.

    Returns:
        The model and no problems, or None and every problem of shape, in order of lines.
    """
    try:
        # JSON's strict mode is the one in which text may become a path, a choice or a date, and nothing else.
        return model.model_validate_json(json.dumps(file.tables, default=_plain_date), strict=True), []
    except ValidationError as exc:
        # `include_input=False`: an input may hold a secret, and we look it up ourselves.
        errors = exc.errors(include_url=False, include_input=False)
        problems = [_explain(file, model, error) for error in errors]
        return None, sorted(problems, key=lambda problem: problem.line)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """List what is known, with a guess at what was meant.

    Args:
        word: What stands there.
        known: What could stand there.

    Returns:
        `` `a`, `b` or `c`; did you mean `b`? `` or words for an empty list.
    """
    names = list(dict.fromkeys(known))
    if not names:
        return "left out: there is none to choose from"
    close = difflib.get_close_matches(word, names, n=1)
    return f"{choices(names)}; did you mean `{close[0]}`?" if close else choices(names)


def choices(values: Sequence[str]) -> str:
    """`` `a`, `b` or `c` ``"""
    quoted = [f"`{value}`" for value in values]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]


def shown(value: Any) -> str:
    """Repeat a value in a message: short, in backticks, without the credentials of a URL."""
    match value:
        case bool():
            text = "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return "an empty list" if not value else "a list"
        case _:
            text = mask_credentials(str(value))
    short = text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"
    return f"`{short}`" if not isinstance(value, str) else f'`"{short}"`'


def allowed_here(field: FieldInfo) -> str:
    """Say in words what a field takes, bounds included: `a whole number from 1 to 64`."""
    return _allowed(field.annotation, field.metadata)


def _plain_date(value: Any) -> str:
    return str(value.isoformat())


def _explain(file: ConfigFile, model: type[BaseModel], error: ErrorDetails) -> ConfigProblem:
    path: KeyPath = tuple(error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        owner = _field_at(model, path[:-1])[0]
        known = list(owner.model_fields) if owner else []
        return file.problem(path, "an unknown key", f"must be a known one: {did_you_mean(str(path[-1]), known)}")
    _, field = _field_at(model, path)
    allowed = _allowed_at(field, path)
    if kind == "missing":
        note = f" ({field.description})" if field and field.description else ""
        return file.problem(path, "nothing", f"must be given: {allowed}{note}")
    if kind == "value_error":
        allowed = str(error["ctx"]["error"])
    elif kind == "string_pattern_mismatch" and field and field.description:
        allowed = field.description
    elif kind in ("enum", "literal_error"):
        allowed = did_you_mean(str(_value_at(file.tables, path)), _CHOICE.findall(allowed))
    is_secret = field is not None and field.annotation is SecretStr
    return file.problem(path, "a value" if is_secret else shown(_value_at(file.tables, path)), f"must be {allowed}")


def _value_at(tables: Any, path: KeyPath) -> Any:
    for part in path:
        tables = tables[part]
    return tables


def _field_at(model: type[BaseModel], path: KeyPath) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model that a path ends in, None in a list of plain values; and the last field on the way."""
    owner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for part in path:
        if isinstance(part, int):
            continue
        if owner is None or part not in owner.model_fields:
            return None, field
        field = owner.model_fields[part]
        owner = _model_inside(field.annotation)
    return owner, field


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_inside(part))), None)


def _allowed_at(field: FieldInfo | None, path: KeyPath) -> str:
    if field is None:
        return "a table"
    if isinstance(path[-1], int):
        return _allowed(get_args(field.annotation)[0], ())
    return allowed_here(field)


def _allowed(annotation: Any, metadata: Sequence[Any]) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _allowed(inner, [*metadata, *more])
    if origin is Literal:
        return choices(get_args(annotation))
    if origin is tuple:
        at_least = "one or more of: " if any(isinstance(bound, MinLen) for bound in metadata) else ""
        return f"a list of {at_least}{_allowed(get_args(annotation)[0], ())}"
    if origin in (Union, types.UnionType):
        return " or ".join(_allowed(part, metadata) for part in get_args(annotation) if part is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return choices([str(member.value) for member in annotation])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a table"
    return _PLAIN.get(annotation, "another value") + _bounds(metadata)


def _bounds(metadata: Sequence[Any]) -> str:
    """Bounds in words; pydantic keeps them as annotated-types."""
    low = high = ""
    for bound in metadata:
        match bound:
            case Ge():
                low = f" from {bound.ge}"
            case Gt():
                low = f" above {bound.gt}"
            case Le():
                high = f" to {bound.le}" if low.startswith(" from") else f" and at most {bound.le}"
            case Lt():
                high = f" below {bound.lt}"
            case MinLen():
                low = f" of {bound.min_length} or more characters"
            case MaxLen():
                high = f", at most {bound.max_length} characters"
            case _:
                continue
    return low + high
