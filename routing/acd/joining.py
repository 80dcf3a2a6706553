"""Who may join a queue, who has to leave it, and where they go then."""

from __future__ import annotations

from typing import Final

import msgspec

from routing.acd.model import Group, LeaveReason, Overflow


class Census(msgspec.Struct, frozen=True, gc=False):
    """What joining depends on. `present` agents are idle or work on a call, `signed_in` ones may be on a break."""

    waiting: int = 0
    present: int = 0
    signed_in: int = 0
    open: bool = True
    estimate: float | None = None
    """The longer end of the wait that is expected, in seconds; None: unknown, and then no reason to refuse."""


def refusal(group: Group, census: Census) -> LeaveReason | None:
    """Why nobody may join now, the most lasting reason first; None: they may."""
    if not census.open:
        return "closed"
    if is_empty(group, census):
        return "empty"
    if group.max_length is not None and census.waiting >= group.max_length:
        return "full"
    if group.max_estimate is not None and census.estimate is not None and census.estimate > group.max_estimate:
        return "estimate"
    return None


def is_empty(group: Group, census: Census) -> bool:
    """Whether the group has too few agents to join: none at work (`never`), or none signed in (`signed_in`)."""
    if group.join_empty == "always":
        return False
    return not (census.present if group.join_empty == "never" else census.signed_in)


def dismissal(group: Group, census: Census) -> LeaveReason | None:
    """Why those who wait have to leave now; None: they may stay. Closing does not send those away who wait."""
    return "empty" if group.leave_empty and not census.signed_in else None


def overflow_on(group: Group, reason: LeaveReason) -> str:
    """Where somebody goes who has to leave for a reason: the first rule that names it; empty: nowhere."""
    return next((rule.to for rule in group.overflow if reason in rule.on), "")


def overflow_after(group: Group) -> tuple[Overflow, ...]:
    """The rules that hold after some waiting, the soonest first."""
    return tuple(sorted((rule for rule in group.overflow if rule.after is not None), key=_after))


def longest_wait(group: Group, own: float | None) -> float | None:
    """The longest that somebody waits, who may have a limit of their own; None: no limit."""
    limits = [limit for limit in (group.max_wait, own) if limit is not None]
    return min(limits, default=None)


def destination(to: str) -> tuple[str, str]:
    """`group:sales` as ("group", "sales"), `hangup` as ("hangup", "")."""
    kind, _, name = to.partition(":")
    return kind, name


NAMED: Final = frozenset({"group", "flow", "voicemail"})
"""Destinations that come with a name."""
PLAIN: Final = frozenset({"callback", "hangup"})
"""Destinations that stand alone."""


def is_destination(to: str) -> bool:
    """Whether that is how a destination is written."""
    kind, colon, name = to.partition(":")
    return (kind in NAMED and bool(name)) or (kind in PLAIN and not colon)


def _after(rule: Overflow) -> float:
    return rule.after or 0.0
