"""Kinds of text that stand in campaigns.toml, and what is said when one is wrong."""

from __future__ import annotations

import re
from typing import Annotated

import phonenumbers
from pydantic import AfterValidator

from asterisk_plugin.core.number import PhoneNumber, parse_number

ID_WORDS = "1 to 40 of a-z, 0-9 and -"
COUNTRY_WORDS = "two capital letters, ISO 3166-1, such as `NL`"
_ID = re.compile(r"[a-z0-9-]{1,40}")
_LANGUAGE = re.compile(r"[a-z]{2}")


def _is_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(ID_WORDS)
    return text


def _is_country(text: str) -> str:
    if text not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(COUNTRY_WORDS)
    return text


def _is_country_or_all(text: str) -> str:
    if text != "*" and text not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{COUNTRY_WORDS}, or `*` for every country")
    return text


def _is_country_or_empty(text: str) -> str:
    return _is_country(text) if text else text


def _is_language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("two small letters, ISO 639-1, such as `nl`")
    return text


def _is_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("text that is not empty")
    return text


Id = Annotated[str, AfterValidator(_is_id)]
Country = Annotated[str, AfterValidator(_is_country)]
Name = Annotated[str, AfterValidator(_is_not_blank)]
CountryOrEmpty = Annotated[str, AfterValidator(_is_country_or_empty)]
CountryOrAll = Annotated[str, AfterValidator(_is_country_or_all)]
Language = Annotated[str, AfterValidator(_is_language)]


def checked_number(text: str, home_country: str) -> PhoneNumber:
    """A number that the cross checks let through.

    Args:
        text: As it stands in the file.
        home_country: Country in which numbers in national form are read.
    """
    number = parse_number(text, home_country)
    assert isinstance(number, PhoneNumber), "cross checks let only numbers through"
    return number
