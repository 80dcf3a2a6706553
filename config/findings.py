"""What checks of the configuration share. A finding is (path, message, hint)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from config.schema import Config

Finding = tuple[str, str, str | None]

DIGITS: Final = re.compile(r"\+?\d{3,20}")

_SIP_TARGET: Final = re.compile(
    r"sip:(?:[A-Za-z0-9._~+*#!$&'()=,;/?%-]|\{extension\})+@"
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(?::\d{1,5})?(?:;[^\s<>\"]*)?"
)
_AOR_TARGET: Final = re.compile(r"aor:([A-Za-z0-9._-]+|\{extension\})(?:@([A-Za-z0-9.-]+))?")


def duplicates(path: str, key: str, values: list[str]) -> Iterator[Finding]:
    """Values that are there twice, at ``path[index].key``."""
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if value in first:
            message = f"'{value}' is already taken by {path}[{first[value]}]"
            yield f"{path}[{index}].{key}", message, "each may be there once"
        first.setdefault(value, index)


def check_target(config: Config, path: str, target: str, *, extension: bool) -> Iterator[Finding]:
    """A target that is none, or a softphone without an account; with ``extension`` it may have a slot for one."""
    if "{extension}" in target and not extension:
        yield path, "{extension} can only be filled in where extensions are bound", "write it under masks"
    elif match := _AOR_TARGET.fullmatch(target):
        users = [account.user for account in config.accounts]
        if match[1] != "{extension}" and match[2] in (None, config.sip.domain) and match[1] not in users:
            known = f"known: {', '.join(users[:5])}" if users else "there are none under accounts"
            yield path, f"no account is named '{match[1]}'", known
    elif not _SIP_TARGET.fullmatch(target):
        yield path, f"'{target}' is not a target", "write sip:user@host:port or aor:user"
