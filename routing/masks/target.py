"""Where a masked number leads: a SIP URI, a registered softphone, or a hidden number on a trunk."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from routing.masks.secret import Sealed, canonical_number, fold_digits

MAX_INTERNAL: Final = 8
EXTENSION_SLOT: Final = "{extension}"
"""Written in a SIP or softphone target, it stands for the extension that was dialled."""


class SipTarget(msgspec.Struct, frozen=True, gc=False):
    """A SIP URI called as it is."""

    uri: str


class AorTarget(msgspec.Struct, frozen=True, gc=False):
    """A registered softphone: `alice` or `alice@domain`."""

    aor: str


class NumberTarget(msgspec.Struct, frozen=True, gc=False):
    """A hidden public number, sealed, called with `shown` as the caller's number by a trunk, or several with commas."""

    secret: Sealed
    trunk: str
    shown: str


Target = SipTarget | AorTarget | NumberTarget


class TargetError(ValueError):
    """A target's text is wrong; the message never repeats the text, which may be somebody's number."""


_SIP: Final = re.compile(r"sips?:(?:([^@\s<>\"]+)@)?[^@\s<>\"]+\Z", re.IGNORECASE)
_AOR: Final = re.compile(r"[^@\s<>\"\x00-\x1f]{1,64}(?:@[A-Za-z0-9.\-]{1,255})?\Z")
_NUMBER: Final = re.compile(r"\+?[0-9]{3,20}\Z")
_SERVICE: Final = re.compile(r"[48]00[0-9]{7}\Z")
_PUBLIC: Final = re.compile(r"(?:1[3-9][0-9]{9}|0[1-9][0-9]{8,10}|\+[0-9]{7,15})\Z")


def parse_open_target(text: str) -> SipTarget | AorTarget | None:
    """The target written as `sip:…`, `sips:…` or `aor:user`; None for anything else, which must be a number.

    A SIP URI whose user is a public number is refused: it would stand in clear where numbers are sealed.
    """
    lowered = text[:5].lower()
    if lowered.startswith(("sip:", "sips:")):
        found = _SIP.match(text)
        if found is None or len(text) > 255:
            raise TargetError("not a SIP URI")
        if is_public_number((found[1] or "").partition(";")[0].partition(":")[0]):
            raise TargetError("a SIP URI with a real number in it; write the number alone, it is encrypted")
        return SipTarget(text)
    if lowered.startswith("aor:"):
        if _AOR.match(text[4:]) is None:
            raise TargetError("not a softphone account (aor:user or aor:user@domain)")
        if is_public_number(text[4:].partition("@")[0]):
            raise TargetError("a softphone account that is a real number; give the account another name")
        return AorTarget(text[4:])
    return None


def parse_number(text: str) -> str:
    """The canonical digits of a number in any +86 form; `TargetError` when it is none.

    Digits that fit no plan are taken only while they are short enough for an internal number.
    """
    folded = fold_digits(text)
    digits = canonical_number(folded)
    known = _PUBLIC.match(digits) or _SERVICE.match(digits) or len(digits) <= MAX_INTERNAL
    if _NUMBER.match(folded) is None or _NUMBER.match(digits) is None or not known:
        raise TargetError("not a telephone number")
    return digits


def is_public_number(text: str) -> bool:
    """True for a mobile, geographic or international number in any form; not for service and short ones."""
    return _PUBLIC.match(canonical_number(text)) is not None
