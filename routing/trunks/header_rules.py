"""Rules that set, add and remove header lines of an INVITE to or from a carrier.

A value may have the slots of `SLOTS`. None of them is the caller's own number: what a carrier learns of the caller is
the number shown, so no rule can show more than masks allow. A line whose slot is empty (nothing is shown) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

SLOTS: Final = ("shown", "called", "domain", "trunk", "gateway", "account")
"""The number shown and the one called, both as rewritten for the carrier; its domain; names; our account there."""
MAX_VALUE: Final = 256
MAX_RULES: Final = 50

RESERVED: Final = frozenset({
    "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "max-forwards", "route", "record-route",
    "content-length", "l", "content-type", "c", "content-encoding", "e", "content-disposition", "authorization",
    "proxy-authorization", "www-authenticate", "proxy-authenticate", "authentication-info", "require", "proxy-require",
    "supported", "k", "unsupported", "allow", "allow-events", "u", "accept", "rseq", "rack", "replaces",
    "session-expires", "x", "min-se", "expires", "min-expires", "event", "o", "refer-to", "r", "path", "service-route",
    "subscription-state", "identity", "y",
})  # fmt: skip
"""What the protocol itself is made of; rules keep away from it."""

SOURCED: Final = frozenset({"p-asserted-identity", "p-preferred-identity", "remote-party-id", "diversion",
                            "history-info"})  # fmt: skip
"""Lines that say who calls; what stands there must be allowed to be shown."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_SLOT: Final = re.compile(r"\{([a-z]*)\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Action = Literal["set", "add", "remove"]


class HeaderRuleError(ValueError):
    """A rule that cannot be followed; the text says why."""


class HeaderRule(msgspec.Struct, frozen=True):
    """One rule, checked by `read_header_rule`; `slots` are those its value has."""

    action: Action
    name: str
    value: str = ""
    slots: tuple[str, ...] = ()

    def line(self, values: Mapping[str, str]) -> str:
        """The header line, or "" where a slot is empty."""
        if not self.slots:
            return f"{self.name}: {self.value}"
        filled = {slot: values.get(slot, "") for slot in self.slots}
        if not all(filled.values()) or any(_CONTROL.search(value) for value in filled.values()):
            return ""
        return f"{self.name}: {_SLOT.sub(lambda found: filled[found[1]], self.value)}"


def read_header_rule(action: Action, name: str, value: str = "") -> HeaderRule:
    """A rule from its parts; HeaderRuleError when they make none."""
    if not _NAME.fullmatch(name):
        raise HeaderRuleError(f"'{name}' is no name of a header")
    if name.lower() in RESERVED:
        raise HeaderRuleError(f"{name} belongs to the protocol, and no rule may touch it")
    if (action == "remove") == bool(value):
        raise HeaderRuleError("remove takes no value" if value else f"{action} needs a value, to: …")
    if _CONTROL.search(value) or len(value) > MAX_VALUE:
        raise HeaderRuleError(f"a value is one line of at most {MAX_VALUE} characters")
    slots = tuple(dict.fromkeys(_SLOT.findall(value)))
    if unknown := [slot for slot in slots if slot not in SLOTS]:
        raise HeaderRuleError(f"'{{{unknown[0]}}}' cannot be filled in; there are {', '.join(SLOTS)}")
    return HeaderRule(action, name, value, slots)


def apply_rules(rules: Iterable[HeaderRule], lines: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]:
    """Header lines as the rules leave them, one rule after another."""
    kept = list(lines)
    for rule in rules:
        if rule.action != "add":
            key = rule.name.lower()
            kept = [line for line in kept if line.partition(":")[0].strip().lower() != key]
        if rule.action != "remove" and (line := rule.line(values)):
            kept.append(line)
    return tuple(kept)
