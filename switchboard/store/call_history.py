"""An agent's last calls, which the agent may clear one by one, and all that is known of one caller."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Select, exists, insert, select

from switchboard.store.calls import CallFilter, CallRepository, Cursor
from switchboard.store.database import Database
from switchboard.store.records import CallRecord
from switchboard.store.remarks import Remark, RemarkRepository
from switchboard.store.schema import call_agents, calls, hidden_calls

SHOWN: Final = 10


class LastCall(NamedTuple):
    """A call that an agent answered, with the agent's own part of it. Times are UTC microseconds."""

    record: CallRecord
    answered_us: int
    talk_us: int
    hold_us: int
    group: str
    remarks: list[Remark]


class Contact(NamedTuple):
    """Some calls of one caller, newest first, and what was written about them."""

    calls: list[CallRecord]
    remarks: dict[str, list[Remark]]
    next: Cursor | None
    """For the next page; None at the end."""


class CallHistory:
    """Reads the ended calls; one that ended a moment ago is there as soon as the journal is loaded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._calls = CallRepository(database)
        self._remarks = RemarkRepository(database)

    def last_calls(self, agent: str, count: int = SHOWN) -> list[LastCall]:
        """What an agent answered last, newest first, without what the agent has hidden."""
        with self._database.reading() as connection:
            parts = {row.call_id: row for row in connection.execute(last_calls_query(agent, count))}
        records = {record.id: record for record in self._calls.select(select(calls).where(calls.c.id.in_(list(parts))))}
        remarks = self._remarks.of_calls(list(parts))
        return [
            LastCall(
                records[call_id],
                part.answered_us,
                part.talk_us,
                part.hold_us,
                part.skill_group,
                remarks.get(call_id, []),
            )
            for call_id, part in parts.items()
            if call_id in records
        ]

    def hide(self, agent: str, call_id: str, at_us: int) -> bool:
        """Take a call out of an agent's last ones, so that an older one comes up; False when it is none of theirs."""
        own = exists().where(call_agents.c.agent == agent, call_agents.c.call_id == call_id)
        with self._database.writing() as connection:
            if not connection.scalar(select(own)):
                return False
            row = {"agent": agent, "call_id": call_id, "hidden_us": at_us}
            return connection.execute(insert(hidden_calls).prefix_with("OR IGNORE").values(row)).rowcount > 0

    def contact(self, caller: bytes, limit: int, after: Cursor | None = None) -> Contact:
        """The calls of one caller, by the number's fingerprint, which must not be empty."""
        if not caller:
            raise ValueError("callers without a number are nobody in particular")
        found = self._calls.search(CallFilter(caller=caller), limit, after)
        remarks = self._remarks.of_calls([record.id for record in found])
        last = found[-1] if len(found) == limit else None
        return Contact(found, remarks, None if last is None else Cursor(last.started_us, last.id))


def last_calls_query(agent: str, count: int) -> Select[Any]:
    """The query of an agent's last calls."""
    own = call_agents.c
    hidden = exists().where(hidden_calls.c.agent == own.agent, hidden_calls.c.call_id == own.call_id)
    query = select(call_agents).where(own.agent == agent, ~hidden)
    return query.order_by(own.answered_us.desc()).limit(count)
