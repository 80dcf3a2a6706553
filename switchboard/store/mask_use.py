"""What calls tell of masks: when a binding was used last, its window of call-backs, and who wants no more calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from switchboard.store.records import CallRecord, RefusalRecord, WindowRecord

# Only bindings with rules need to know; the others are not written by every call through them.
_USE_EXTENSION: Final = (
    "UPDATE mask_bindings SET used_us = ?1 WHERE number = ?2 AND extension = ?3 AND policy <> '' AND used_us < ?1"
)
_USE_LINE: Final = "UPDATE mask_lines SET used_us = ?1 WHERE id = ?2 AND policy <> '' AND used_us < ?1"
_WINDOW: Final = "UPDATE mask_lines SET window_us = ?, window_times = ? WHERE id = ?"
_REFUSE: Final = (
    "INSERT INTO mask_refusals (customer, agent, until_us, refused_us, call_id) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (customer, agent) DO UPDATE SET until_us = excluded.until_us, refused_us = excluded.refused_us,"
    " call_id = excluded.call_id WHERE excluded.refused_us >= refused_us"
)
_ACCEPT: Final = "DELETE FROM mask_refusals WHERE customer = ? AND agent = ? AND refused_us <= ?"


def note_used(connection: Connection, calls: Iterable[CallRecord]) -> None:
    """Keep when the bindings of these calls were used last; a call that reached for nobody does not count."""
    extensions, lines = [], []
    for call in calls:
        if not call.binding:
            continue
        used_us = max((leg.invited_us for leg in call.legs if leg.role == "agent"), default=0)
        if not used_us:
            continue
        number, comma, extension = call.binding.partition(",")
        if comma:
            extensions.append((used_us, number, extension))
        else:
            lines.append((used_us, call.binding))
    if extensions:
        connection.exec_driver_sql(_USE_EXTENSION, extensions)
    if lines:
        connection.exec_driver_sql(_USE_LINE, lines)


def note_window(connection: Connection, window: WindowRecord) -> None:
    """Keep since when call-backs count, and how many were made; a binding that is gone has none."""
    connection.exec_driver_sql(_WINDOW, (window.since_us, window.times, window.binding))


def note_refusal(connection: Connection, refusal: RefusalRecord) -> None:
    """Keep a refusal, or that it was taken back; the latest word counts."""
    if refusal.withdrawn:
        connection.exec_driver_sql(_ACCEPT, (refusal.customer, refusal.agent, refusal.at_us))
        return
    values = (refusal.customer, refusal.agent, refusal.until_us, refusal.at_us, refusal.call_id)
    connection.exec_driver_sql(_REFUSE, values)
