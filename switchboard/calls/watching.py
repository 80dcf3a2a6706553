"""Which lines are busy, for the lamps beside the keys of a phone: the dialog event package (RFC 4235).

Who watches a line learns of its dialogs which way they were begun and how far they are; no name, no number, and nothing
by which a call could be taken over. While anybody watches, all calls are looked over twice a second: no call is dearer
for it, however it was made or handed on, and what follows each other faster is told together (§3.10).
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

import msgspec

from switchboard.calls.leg import LegState
from switchboard.calls.subscriptions import notify
from switchboard.sip.subscription import Input, Subscription

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.calls.leg import Leg

EVERY: Final = 0.5
"""Seconds between two looks."""
_STATES: Final = {
    LegState.INVITED: "trying",
    LegState.EARLY: "early",
    LegState.ANSWERED: "confirmed",
    LegState.CONFIRMED: "confirmed",
}
"""As RFC 4235 §3.7.1 calls them; whoever is in none of these has no dialog any more."""

Dialogs = dict[str, tuple[str, str]]
"""By id, the direction in which a dialog was begun, as the line sees it, and its state."""


class Watch(Subscription, kw_only=True, eq=False):
    """A subscription to a line, an address-of-record, by the name of `entity`; `shown` is what it was told last."""

    line: str
    entity: str
    shown: Dialogs = msgspec.field(default_factory=dict)


def begin_looking(x: Exchange, now: float) -> None:
    """Somebody watches."""
    if x.subscriptions.look_due is None:
        x.subscriptions.look_due = now + EVERY


def look(x: Exchange, watch: Watch) -> None:
    """Let the next NOTIFY tell what there is now."""
    _show(watch, _dialogs(x, (watch.line,)).get(watch.line, {}))


def lines_due(x: Exchange, now: float) -> None:
    """Tell who watches a line on which something is different."""
    due = x.subscriptions.look_due
    if due is None or due > now:
        return
    watches = [one for one in x.subscriptions if isinstance(one, Watch)]
    x.subscriptions.look_due = now + EVERY if watches else None
    found = _dialogs(x, {watch.line for watch in watches})
    for watch in watches:
        dialogs = found.get(watch.line, {})
        # While one NOTIFY is on its way there is another look before the next.
        if watch.shown != dialogs and not watch.notifying:
            _show(watch, dialogs)
            notify(x, watch, Input.CHANGE, now)


def _dialogs(x: Exchange, lines: Collection[str]) -> dict[str, Dialogs]:
    found: dict[str, Dialogs] = {}
    domain = f"@{x.settings.domain}"
    accounts = {line.removesuffix(domain) for line in lines}
    for call in x.calls.values():
        # Of thousands of calls few are of a line that is watched.
        agent = call.agent
        if (
            call.caller.account in accounts
            or (agent is not None and (agent.record.peer in lines or agent.account in accounts))
            or call.others
            or call.caller.record.peer in lines
        ):
            for leg in call.legs:
                line = leg.account + domain if leg.account else leg.record.peer
                if line in lines and leg.state in _STATES:
                    found.setdefault(line, {})[_name(leg)] = _way(leg), _STATES[leg.state]
    return found


def _name(leg: Leg) -> str:
    """An id of its own: that of the leg tells when it began, and stays within."""
    return f"d{zlib.crc32(leg.id.encode()):08x}"


def _way(leg: Leg) -> str:
    return "initiator" if leg.account else "recipient"


def _show(watch: Watch, dialogs: Dialogs) -> None:
    """Write the document (RFC 4235 §4.1): all there is, and of what has ended since that it has."""
    ended = {name: (way, "terminated") for name, (way, _) in watch.shown.items() if name not in dialogs}
    rows = "".join(
        f'<dialog id="{name}" direction="{way}"><state>{state}</state></dialog>\r\n'
        for name, (way, state) in (ended | dialogs).items()
    )
    watch.shown = dialogs
    watch.body = (
        '<?xml version="1.0"?>\r\n'
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{watch.sent}" state="full"'
        f" entity={quoteattr(watch.entity)}>\r\n{rows}</dialog-info>\r\n"
    ).encode()
