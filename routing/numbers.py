"""Telephone numbers as carriers, phones and people write them, in one form.

That form is the one dialled within China: a mobile number has its eleven digits ("13956781234"), a fixed one 0 and
its area ("01088880000"), 400 and 800 numbers are as everyone knows them ("4008001234"). Foreign numbers are E.164
("+14155550100"); short, emergency and internal numbers stay as they are; so does what is no number. Digits dialled
after the number (post-dial) become the extension. Dial plan, masks, trunks and records all use this form; whatever
comes from outside (Request-URI, headers, configuration, CSV, command line) goes through `normalise` or
`canonical_number` first.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

MAX_TEXT = 128
MAX_EXTENSION = 32

Kind = Literal["e164", "service", "short", "name"]


class Number(msgspec.Struct, frozen=True, gc=False):
    """A number in its one form, and what was dialled after it."""

    number: str
    extension: str = ""
    kind: Kind = "name"
    """e164: a subscriber somewhere; service: 400, 800; short: other digits, valid here only; name: no number."""

    def __repr__(self) -> str:
        value = self.number
        if self.kind == "service" or sum(map(str.isdigit, value)) < 7:
            shown = value
        else:
            shown = "****" if self.kind == "name" else f"{value[:-8]}****{value[-4:]}"
        return f"Number({shown!r}, {self.extension!r}, {self.kind!r})"

    @property
    def dialled(self) -> str:
        """The number as a user part, the extension after a comma."""
        return f"{self.number},{self.extension}" if self.extension else self.number

    @property
    def national(self) -> str:
        """The number as it is dialled within China, also where another country's form is used."""
        chinese = _national(self.number[3:], "") if self.number.startswith("+86") else None
        return self.number if chinese is None else chinese.number

    @property
    def international(self) -> str:
        """E.164 ("+8613956781234") of a subscriber; others as they are."""
        if self.kind != "e164" or self.number.startswith("+"):
            return self.number
        return "+86" + self.number.removeprefix("0")


_PLAIN = re.compile(r"[0-9]+\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_USER = re.compile(
    r"(?:tel:)?(?P<main>\+?[0-9][0-9 ().-]*)"
    r"(?:[,pPwWxX*#](?P<postdial>[0-9,pPwWxX*# ]*))?"
    r"(?P<params>(?:;[^;]*)*)\Z"
)
_SEPARATORS = str.maketrans("", "", " ().-")  # RFC 3966 section 3: visual separators
_FOLD = str.maketrans(
    "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff0b\uff0c\u8f6c",
    "0123456789+,,",
    " \t-().\u00a0\u2010\u2011\u2013",
)
_PAUSES = str.maketrans("", "", ",pPwWxX ")

_MOBILE = re.compile(r"1[3-9][0-9]{9}\Z")
_SERVICE = re.compile(r"[48]00[0-9]{7}\Z")
_FIXED = re.compile(r"(?:10|2[0-9])[2-8][0-9]{7}\Z|[3-9][0-9]{2}[2-8][0-9]{6,7}\Z")
_LOCAL = re.compile(r"[2-8][0-9]{6,7}\Z")
_SERVICE_WITH_AREA = re.compile(r"0(?:10|2[0-9]|[3-9][0-9]{2})([48]00[0-9]{7})\Z")
_INBOUND_ONLY = re.compile(r"[48]00[0-9]{7}\Z|(?:0(?:10|2[0-9]|[3-9][0-9]{2}))?9[56][0-9]{3,}\Z").match
_E164 = re.compile(r"[1-9][0-9]{6,14}\Z")
_SHORT = re.compile(r"[19][0-9]{2,7}\Z")


def fold_digits(text: str) -> str:
    """The text without spaces, hyphens and brackets, its full-width digits made plain, 转 a comma."""
    return text.translate(_FOLD)


def canonical_number(text: str) -> str:
    """The one spelling of a number with what is dialled after it; what is no number only loses its outer spaces."""
    if _MOBILE.match(text):
        return text
    number = normalise(fold_digits(text))
    if number.kind == "name":
        return text.strip()
    return number.dialled


def is_mobile(number: str) -> bool:
    """True for a Chinese mobile number in its one form."""
    return _MOBILE.match(number) is not None


def is_service(number: str) -> bool:
    """True for a 400, 800, 95… or 96… number in its one form: it takes calls, and no call may come from it."""
    return _INBOUND_ONLY(number) is not None


def normalise(text: str, *, country: str = "86", area: str = "") -> Number:
    """Return the one form of a user part; `area` (without 0) completes local numbers of 7 or 8 digits."""
    if len(text) > MAX_TEXT:
        return Number(text)
    if not text.isascii():
        number = normalise(folded, country=country, area=area) if (folded := fold_digits(text)).isascii() else None
        return Number(text) if number is None or number.kind == "name" else number
    if _PLAIN.match(text):
        return _number(text, "", country, area)
    decoded = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "%" in text else text
    match = _USER.match(decoded)
    if match is None:
        return Number(text)
    main = match["main"].translate(_SEPARATORS)
    extension = (match["postdial"] or "").translate(_PAUSES)
    context = ""
    for param in match["params"].split(";")[1:]:
        key, _, value = param.partition("=")
        key = key.strip().lower()
        if key in ("ext", "postd"):
            extension += value.translate(_SEPARATORS).translate(_PAUSES)
        elif key == "phone-context":
            context = value.translate(_SEPARATORS)
    extension = extension.rstrip("#")
    if len(extension) > MAX_EXTENSION or extension.strip("0123456789*#"):
        return Number(text)
    return _number(_in_context(main, context), extension, country, area)


def _in_context(main: str, context: str) -> str:
    """Complete a local number by its phone-context (RFC 3966 section 5.1.5)."""
    if not context.startswith("+") or main.startswith(("+", "00")):
        return main
    if main.startswith("0") and context.startswith("+86"):
        return "+86" + main[1:]
    return context + main


def _number(main: str, extension: str, country: str, area: str) -> Number:
    if main.startswith("+"):
        international = main[1:]
    elif main.startswith("00"):
        international = main[2:]
    elif country == "86":
        return _chinese(main, extension, area) or Number(main, extension, "short")
    else:
        international = country + main[1:] if main.startswith("0") else ""
    if country == "86" and international.startswith("86"):
        national = international[2:].removeprefix("0")
        if _SHORT.match(national):
            return Number(national, extension, "short")
        number = _national(national, extension)
        if number is not None:
            return number
    if _E164.match(international):
        return Number("+" + international, extension, "e164")
    return Number(main, extension, "short")


def _chinese(main: str, extension: str, area: str) -> Number | None:
    """Read a number as dialled within China; None when it is no subscriber's and no 400 number."""
    if main.startswith("0"):
        with_area = _SERVICE_WITH_AREA.match(main)
        return _national(with_area[1] if with_area else main[1:], extension)
    if _SERVICE.match(main) or _MOBILE.match(main):
        return _national(main, extension)
    if main.startswith("86") and len(main) >= 12:
        return _national(main[2:].removeprefix("0"), extension)
    if _LOCAL.match(main):
        return _national(area + main, extension)
    return None


def _national(digits: str, extension: str) -> Number | None:
    """Read a number without country code and without trunk prefix."""
    if _SERVICE.match(digits):
        return Number(digits, extension, "service")
    if _MOBILE.match(digits):
        return Number(digits, extension, "e164")
    if _FIXED.match(digits):
        return Number("0" + digits, extension, "e164")
    return None
