"""What is written about a binding, in a file or on the command line, checked and made a row; numbers are sealed.

No message of this module repeats what was written: a misplaced field may be somebody's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

from routing.masks import PLAIN, CallbackRule, Party, Policy, RealNumber, Vault
from routing.masks.check_digit import Check
from routing.masks.table import check_extension
from routing.masks.target import AorTarget, TargetError, parse_number, parse_open_target
from routing.numbers import fold_digits, is_service
from switchboard.store.mask_rows import LineRow, MaskRow, Row, policy_text

SIMPLE: Final = ("number", "extension", "target", "trunk", "shown", "expires", "label")
"""All there is to say of most extensions."""
LINES: Final = ("kind", "id", "a", "b", "n", "group")
POLICY: Final = (
    "direction", "idle", "limit", "warn", "record", "consent", "shown_to_a", "shown_to_b",
    "callback_window", "callback_times", "latest", "city", "store",
)  # fmt: skip
FIELDS: Final = (*SIMPLE, *LINES, *POLICY, "disabled")
KINDS: Final = ("extension", "axb", "axn", "axg", "ax")
MAX_TEXT: Final = 64
MAX_KNOWN: Final = 10_000
"""Policies that are checked once for all rows that have them."""

_NOT_DIGITS: Final = re.compile(r"[^0-9]")
_DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}\Z")
_DURATION: Final = re.compile(r"([0-9]{1,9})\s*([smhd]?)\Z")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SWITCH: Final = {
    **dict.fromkeys(("yes", "true", "1", "on", "是"), True),
    **dict.fromkeys(("", "no", "false", "0", "off", "否"), False),
}
_ID_OCTETS: Final = 8
_rules_of: Final = itemgetter("trunk", *POLICY)


class FieldReader:
    """Makes rows; `trunks` are those that calls can go out by, `accounts` softphones', `groups` those that answer."""

    def __init__(
        self,
        vault: Vault,
        *,
        trunks: Iterable[str],
        accounts: Iterable[str],
        now_us: int,
        groups: Iterable[str] = (),
        checks: Mapping[str, Check] | None = None,
    ) -> None:
        """`checks` tells for which numbers extensions end with a check digit."""
        self._vault = vault
        self._trunks = tuple(trunks)
        self._accounts = frozenset(accounts)
        self._groups = frozenset(groups)
        self._checks = dict(checks or {})
        self._now_us = now_us
        # Most rows repeat the number, what is shown and the date, so these are checked once.
        self._numbers: dict[str, str] = {}
        self._dates: dict[str, int | None] = {"": None}
        self._ways: dict[tuple[str, str, str], tuple[str, str]] = {}
        self._policies: dict[tuple[object, ...], str] = {}

    def row(self, fields: Mapping[str, str]) -> Row:
        """The row of a binding; `ValueError` says what is wrong with it. Fields that are missing are empty.

        Whether an X number's binding makes sense as a whole, and beside others, is seen when it is stored.
        """
        text = dict.fromkeys(FIELDS, "")
        text.update((name, value.strip()) for name, value in fields.items())
        kind = text["kind"].lower() or "extension"
        if kind not in KINDS:
            raise TargetError(f"kind: not one of {', '.join(KINDS)}")
        rules = (kind, self._calls_numbers(text), *_rules_of(text))
        policy = self._policies.get(rules)
        if policy is None:
            policy = policy_text(self._policy(text, kind))
            if len(self._policies) < MAX_KNOWN:
                self._policies[rules] = policy
        disabled = _switch(text, "disabled")
        if kind == "extension":
            useless = [name for name in LINES if name != "kind" and text[name]]
            if useless:
                raise TargetError(f"{useless[0]}: belongs to X numbers (kind axb, axn, axg, ax)")
            row = self.extension(*(text[name] for name in SIMPLE), policy=policy)
            return row._replace(disabled=disabled)
        return self._line(text, kind, policy, disabled)

    def extension(
        self,
        number: str,
        extension: str,
        target: str,
        trunk: str,
        shown: str,
        expires: str,
        label: str,
        *,
        policy: str = "",
    ) -> MaskRow:
        """The row of an extension."""
        number = self._number("number", number)
        extension = fold_digits(extension)
        check_extension(extension, self._checks.get(number, "none"))
        kind, target, party = self.target(target, label)
        trunk, shown = self._way_out(trunk, shown, number) if party is not None else ("", "")
        _bounded("label", label)
        sealed, fingerprint = (None, None) if party is None else (party.sealed, party.fingerprint)
        return MaskRow(
            number, extension, kind, target, sealed, fingerprint,
            trunk, shown, False, self._expires(expires), label, self._now_us, self._now_us, policy,
        )  # fmt: skip

    def _line(self, text: Mapping[str, str], kind: str, policy: str, disabled: bool) -> LineRow:
        for name, place in (("extension", "extensions have none of X"), ("shown", "write shown_to_a or shown_to_b")):
            if text[name]:
                raise TargetError(f"{name}: {place}")
        number = self._number("number", text["number"])
        label = text["label"]
        target = self._open_target(text["target"]) if text["target"] else ""
        a, b, n = (self._party(name, text[name], label, text["id"]) for name in ("a", "b", "n"))
        other = b if b is not None else n
        if (b is not None and kind != "axb") or (n is not None and kind != "axn"):
            raise TargetError("b belongs to axb and to no other kind, n to axn")
        if text["group"] and text["group"] not in self._groups:
            raise TargetError("group: no group of that name")
        _bounded("label", label)
        return LineRow(
            text["id"] or _line_id(kind, number, target, a, other, text["group"]),
            number, kind, target, *_pair(a), *_pair(other), text["group"], disabled,
            self._expires(text["expires"]), label, self._now_us, self._now_us, policy,
        )  # fmt: skip

    def _policy(self, text: Mapping[str, str], kind: str) -> Policy:
        given = {name: text[name] for name in POLICY if text[name]}
        trunk = self._trunk(text["trunk"]) if kind != "extension" and self._calls_numbers(text) else ""
        if not given and not trunk:
            return PLAIN
        values: dict[str, Any] = {"trunk": trunk}
        if "direction" in given:
            if given["direction"] not in ("both", "a_to_b", "b_to_a"):
                raise TargetError("direction: not one of both, a_to_b, b_to_a")
            values["direction"] = given["direction"]
        values |= {name: duration(name, given[name]) for name in ("idle", "limit") if name in given}
        values |= {name: _switch(text, name) for name in ("warn", "record", "consent", "latest") if name in given}
        values |= {name: self._shown(name, given[name]) for name in ("shown_to_a", "shown_to_b") if name in given}
        for name in ("city", "store"):
            if name in given:
                values[name] = _bounded(name, given[name])
        if "callback_window" in given or "callback_times" in given:
            values["callback"] = _callback_rule(given)
        return Policy(**values)

    def _calls_numbers(self, text: Mapping[str, str]) -> bool:
        return any(text[name] for name in ("a", "b", "n")) or text["latest"] != ""

    def _number(self, name: str, text: str) -> str:
        known = self._numbers.get(text)
        if known is None:
            try:
                known = parse_number(text)
            except TargetError:
                raise TargetError(f"{name}: {'is missing' if not text else 'not a telephone number'}") from None
            self._numbers[text] = known
        return known

    def target(self, text: str, label: str = "") -> tuple[str, str, Party | None]:
        """Kind and target of an extension as they are stored, and the number when it is one; raises `TargetError`."""
        if not text:
            raise TargetError("target: is missing")
        opened = self._open_target(text, required=False)
        if opened:
            return ("aor", opened[4:], None) if opened.startswith("aor:") else ("sip", opened, None)
        try:
            digits = parse_number(text)
        except TargetError:
            raise TargetError("target: neither a telephone number nor sip:… nor aor:user") from None
        _not_in(digits, label=label)
        return "number", "", self._vault.party(RealNumber(digits))

    def _open_target(self, text: str, *, required: bool = True) -> str:
        """The target as it is stored of an X number's owner; empty when it is neither SIP nor softphone."""
        try:
            opened = parse_open_target(text)
        except TargetError as error:
            raise TargetError(f"target: {error}") from None
        if opened is None:
            if required:
                raise TargetError("target: neither sip:… nor aor:user; a number goes under a")
            return ""
        if not isinstance(opened, AorTarget):
            return opened.uri
        if opened.aor.partition("@")[0] not in self._accounts:
            raise TargetError("target: no account of that name in the configuration")
        return f"aor:{opened.aor}"

    def _party(self, name: str, text: str, label: str, binding: str) -> Party | None:
        if not text:
            return None
        try:
            digits = parse_number(text)
        except TargetError:
            raise TargetError(f"{name}: not a telephone number") from None
        _not_in(digits, label=label, id=binding)
        return self._vault.party(RealNumber(digits))

    def _way_out(self, trunk: str, shown: str, number: str) -> tuple[str, str]:
        known = self._ways.get((trunk, shown, number))
        if known is None:
            if shown and self._number("shown", shown) == number:
                raise TargetError("shown: a 400 or 800 number, or the number that is dialled, cannot be shown")
            way = self._trunk(trunk), self._shown("shown", shown) if shown else ""
            known = self._ways[trunk, shown, number] = way
        return known

    def _trunk(self, trunk: str) -> str:
        if not trunk and len(self._trunks) != 1:
            raise TargetError("trunk: is missing, and the configuration has not exactly one with 'to'")
        if trunk and trunk not in self._trunks:
            names = ", ".join(self._trunks) or "none"
            raise TargetError(f"trunk: not in the configuration with 'to' (known: {names})")
        return trunk or self._trunks[0]

    def _shown(self, name: str, text: str) -> str:
        shown = self._number(name, text)
        if is_service(shown):
            raise TargetError(f"{name}: a 400 or 800 number is inbound only and cannot be shown")
        return shown

    def _expires(self, text: str) -> int | None:
        if text not in self._dates:
            self._dates[text] = _expires_us(text)
        return self._dates[text]


def _line_id(kind: str, number: str, target: str, a: Party | None, b: Party | None, group: str) -> str:
    """The id of a binding for which none was given: the same for the same people on the same number."""
    digest = blake2b(digest_size=_ID_OCTETS, person=b"swb binding")
    for piece in (kind, number, target, group):
        digest.update(piece.encode() + b"\0")
    for party in (a, b):
        # Fingerprints are keyed, so the id tells nothing of the numbers.
        digest.update(party.fingerprint if party is not None else bytes(16))
    return f"{kind}-{digest.hexdigest()}"


def _pair(party: Party | None) -> tuple[bytes | None, bytes | None]:
    return (None, None) if party is None else (party.sealed, party.fingerprint)


def _not_in(digits: str, **texts: str) -> None:
    for name, text in texts.items():
        if text and digits.lstrip("+0") in _NOT_DIGITS.sub("", text):
            raise TargetError(f"the {name} holds the real number, which must not be stored in clear")


def _bounded(name: str, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise TargetError(f"the {name} is longer than {MAX_TEXT} characters")
    return text


def _switch(text: Mapping[str, str], name: str) -> bool:
    value = _SWITCH.get(text[name].lower())
    if value is None:
        raise TargetError(f"{name}: yes or no")
    return value


def duration(name: str, text: str) -> float:
    """Seconds of `600`, `90s`, `10m`, `2h` or `30d`; raises `TargetError`."""
    found = _DURATION.match(text.lower())
    seconds = int(found[1]) * _SECONDS[found[2]] if found is not None else 0
    if seconds <= 0:
        raise TargetError(f"{name}: not a length of time such as 600, 10m, 2h or 30d")
    return float(seconds)


def _callback_rule(given: Mapping[str, str]) -> CallbackRule:
    window = duration("callback_window", given["callback_window"]) if "callback_window" in given else None
    times = given.get("callback_times")
    if times is not None and not (times.isascii() and times.isdigit() and 0 < int(times) <= 1000):
        raise TargetError("callback_times: not a number from 1 to 1000")
    return CallbackRule(window, None if times is None else int(times))


def _expires_us(text: str) -> int:
    """UTC microseconds of `2026-12-31` (the end of that day) or `2026-12-31 18:00[:30][+08:00]`, local time."""
    try:
        text = text.replace("/", "-")
        if _DATE.match(text):
            day = date(*map(int, text.split("-")))
            moment = datetime.combine(day + timedelta(days=1), datetime.min.time()).astimezone()
        else:
            moment = datetime.fromisoformat(text).astimezone()
        return int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise TargetError("expires: not a date such as 2026-12-31 or 2026-12-31 18:00") from None
