"""The fields of accounts: addresses, passwords, names, phone numbers, time zones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any

from marshmallow import ValidationError

from service.accounts.common_passwords import is_common
from service.validation import Text

# What RFC 5321 lets a mail server take without SMTPUTF8: two addresses never look alike, nor differ by normalisation.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = rf"^{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])$"
_LOCAL_PART = "^[^@]{1,64}@"
_PHONE = r"^\+[1-9][0-9]{1,14}$"

# Amazon Cognito counts the same characters.
_KINDS = {
    "a lower-case letter": "[a-z]",
    "an upper-case letter": "[A-Z]",
    "a digit": "[0-9]",
    "a symbol": r"[!-/:-@\[-`{-~]",
}


class Email(Text):
    """An e-mail address, in ASCII."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(limit=254, **kwargs)

    def json_schema(self) -> dict[str, Any]:
        """Return what an address must be as JSON Schema."""
        # Without `format: email`, of which every implementation has its own idea.
        return super().json_schema() | {"pattern": _EMAIL, "allOf": [{"pattern": _LOCAL_PART}]}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not (_is(_EMAIL, text) and re.match(_LOCAL_PART, text)):
            raise ValidationError("Must be an e-mail address")
        return text


class NewPassword(Text):
    """A password that somebody chooses: 8 to 128 characters of four kinds, and none of those that are tried first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(limit=128, **kwargs)

    def json_schema(self) -> dict[str, Any]:
        """Return what a password must be as JSON Schema, which cannot tell which are common."""
        kinds = [{"pattern": pattern} for pattern in _KINDS.values()]
        return super().json_schema() | {"minLength": 8, "format": "password", "allOf": kinds}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        broken = ["Must have at least 8 characters"] if len(text) < 8 else []
        broken += [f"Must have {kind}" for kind, pattern in _KINDS.items() if not re.search(pattern, text)]
        if not broken and is_common(text):
            broken = ["Must not be a common password, nor one with a few characters changed"]
        if broken:
            raise ValidationError(broken)
        return text


class PersonName(Text):
    """A person's name: letters of any script, apostrophes, hyphens and spaces, beginning with a letter."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(limit=50, **kwargs)

    def json_schema(self) -> dict[str, Any]:
        """Return what a name must be as JSON Schema."""
        return super().json_schema() | {"pattern": r"^\p{L}[\p{L}\p{M}' -]*$"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        kinds = [unicodedata.category(character)[0] for character in text]
        if kinds[0] != "L":
            raise ValidationError("Must begin with a letter")
        if not all(kind in "LM" or character in "' -" for kind, character in zip(kinds, text, strict=True)):
            raise ValidationError("Must have only letters, apostrophes, hyphens and spaces")
        return text


class Phone(Text):
    """A telephone number as E.164 writes it: +, the country, the rest; 2 to 15 digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(limit=16, **kwargs)

    def json_schema(self) -> dict[str, Any]:
        """Return what a number must be as JSON Schema."""
        return super().json_schema() | {"pattern": _PHONE}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not _is(_PHONE, text):
            raise ValidationError("Must be a number such as +442071234567 (E.164)")
        return text


class TimeZone(Text):
    """The name of a time zone, as the IANA database spells it."""

    def json_schema(self) -> dict[str, Any]:
        """Return the names as JSON Schema."""
        return {"type": "string", "enum": list(time_zones())}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text not in time_zones():
            raise ValidationError("Must be the name of a time zone, such as Europe/London")
        return text


@cache
def time_zones() -> dict[str, None]:
    """Return the names of all time zones, in the order of the pinned release of the IANA database."""
    from importlib import resources

    return dict.fromkeys(resources.files("tzdata").joinpath("zones").read_text().split())


def _is(pattern: str, text: str) -> bool:
    # JSON Schema's `$` is the end; Python's is also in front of a last line feed.
    return re.fullmatch(pattern, text) is not None
