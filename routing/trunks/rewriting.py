"""Rules that rewrite numbers as a carrier wants them: the first that fits counts, where none fits nothing changes.

A rule fits by `prefix`, the beginning of the number, or by `match`, the whole of it; then `strip` takes characters
from the front, `add` puts some there, or `replace` writes it anew with the groups of `match`. A pattern is a regular
expression of digits, `\\+`, `\\*`, `#`, `.`, `\\d`, `[…]`, groups without repetition, and repetitions of one of these.
At most `MAX_LOOSE` of them are of no fixed length: what a number can cost is bounded by its length to that power.

Only the number itself is looked at; an extension dialled with it (`4008001234,123456`) follows unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

MAX_NUMBER: Final = 40
"""Longer ones are no telephone numbers, and not rewritten; nor is a rule followed that would make one."""
MAX_PATTERN: Final = 80
MAX_LOOSE: Final = 3
MAX_RULES: Final = 100

_ATOM: Final = r"(?:[0-9#.]|\\[+*d]|\[[0-9+*#-]+\])"
_TIMES: Final = r"(?:[?*+]|\{[0-9]{1,2}(?:,(?:[0-9]{1,2})?)?\})"
_PATTERN: Final = re.compile(rf"(?:{_ATOM}{_TIMES}?|\((?:{_ATOM}{_TIMES}?)+\))+")
_LOOSE: Final = re.compile(rf"(?:{_ATOM})(?:[?*+]|\{{[0-9]{{1,2}},[0-9]*\}})")
_DIGITS: Final = re.compile(r"[0-9+*#]*")
_REPLACEMENT: Final = re.compile(r"(?:[0-9+*#]|\\[1-9])*")
_NUMBER: Final = re.compile(r"[0-9+]+")


class RuleError(ValueError):
    """A rule that cannot be followed; the text says why."""


class NumberRule(msgspec.Struct, frozen=True):
    """One rule, checked by `read_rule`."""

    prefix: str = ""
    match: re.Pattern[str] | None = None
    strip: int = 0
    add: str = ""
    replace: str | None = None

    def apply(self, number: str) -> str | None:
        """The number rewritten, or None where the rule does not fit."""
        if self.match is None:
            return self.add + number[self.strip :] if number.startswith(self.prefix) else None
        found = self.match.fullmatch(number)
        if found is None:
            return None
        return self.add + number[self.strip :] if self.replace is None else found.expand(self.replace)


def read_rule(
    prefix: str | None = None,
    match: str | None = None,
    strip: int = 0,
    add: str = "",
    replace: str | None = None,
) -> NumberRule:
    """A rule from its parts; RuleError when they make none."""
    if (prefix is None) == (match is None):
        raise RuleError("a rule needs either prefix or match")
    if replace is not None and (match is None or strip or add):
        raise RuleError("replace goes with match, and without strip and add")
    if not 0 <= strip <= MAX_NUMBER:
        raise RuleError(f"strip is 0 to {MAX_NUMBER}")
    for name, text in (("prefix", prefix or ""), ("add", add)):
        if len(text) > MAX_NUMBER or not _DIGITS.fullmatch(text):
            raise RuleError(f"{name} is made of digits, +, * and #")
    if prefix is not None and strip > len(prefix):
        raise RuleError(f"strip takes {strip} characters, but prefix has {len(prefix)}")
    pattern = _compiled(match) if match is not None else None
    if replace is not None:
        _check_replacement(replace, pattern)
    return NumberRule(prefix or "", pattern, strip, add, replace)


def _compiled(text: str) -> re.Pattern[str]:
    if len(text) > MAX_PATTERN or not _PATTERN.fullmatch(text):
        raise RuleError(r"match is made of digits, \+, \*, #, ., \d, […], (…) and repetitions such as {11} or +")
    if len(_LOOSE.findall(text)) > MAX_LOOSE:
        raise RuleError(f"match has more than {MAX_LOOSE} parts of no fixed length")
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError) as error:
        raise RuleError(f"match cannot be read: {error}") from None


def _check_replacement(text: str, pattern: re.Pattern[str] | None) -> None:
    if len(text) > MAX_NUMBER or not _REPLACEMENT.fullmatch(text):
        raise RuleError(r"replace is made of digits, +, *, # and \1 to \9")
    groups = pattern.groups if pattern is not None else 0
    wanted = max((int(found) for found in re.findall(r"\\([1-9])", text)), default=0)
    if wanted > groups:
        raise RuleError(rf"replace names \{wanted}, but match has {groups} groups")


def rewrite(rules: Iterable[NumberRule], number: str) -> str:
    """The number by the first rule that fits; what follows it (an extension) stays."""
    found = _NUMBER.match(number)
    if found is None or found.end() > MAX_NUMBER:
        return number
    for rule in rules:
        made = rule.apply(found[0])
        if made is not None:
            return made + number[found.end() :] if 0 < len(made) <= MAX_NUMBER else number
    return number
