"""Voice mail boxes: messages as they are stored, and what the running switch knows of each box."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from sqlalchemy import Connection, Select, func, literal, select, tuple_

from switchboard.store.database import Database
from switchboard.store.journal import Journal
from switchboard.store.records import (
    MessageRecord,
    MessageState,
    MessageStateRecord,
    encode_message,
)
from switchboard.store.schema import voicemail_messages
from switchboard.store.segments import Kind
from switchboard.store.statements import insert_statement

BOX_MESSAGES: Final = 1000
"""How many messages a box holds; a caller who finds it full can leave none."""

_values: Final = attrgetter(*MessageRecord.__struct_fields__)
# A deleted message leaves its row, so that its record met again in the journal does not bring it back.
_CHANGE: Final = (
    "UPDATE voicemail_messages SET state = ?1, changed_us = ?2, changed_by = ?3,"
    " caller_sealed = CASE ?1 WHEN 'deleted' THEN x'' ELSE caller_sealed END,"
    " caller_fingerprint = CASE ?1 WHEN 'deleted' THEN x'' ELSE caller_fingerprint END"
    " WHERE id = ?4 AND state <> 'deleted' AND state <> ?1"
)


class Waiting(NamedTuple):
    """What a box holds, as message waiting tells it (RFC 3842 §5.2): messages not yet heard, and heard ones."""

    new: int
    heard: int


class Message(NamedTuple):
    """A stored message with what became of it."""

    record: MessageRecord
    state: MessageState
    changed_us: int | None
    changed_by: str


class MessageRepository:
    """The messages in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = insert_statement(voicemail_messages, database.engine).replace("INSERT", "INSERT OR IGNORE", 1)

    def insert(self, connection: Connection, records: Sequence[MessageRecord]) -> None:
        """Store messages within the caller's transaction; one that is known is left as it is."""
        connection.exec_driver_sql(self._insert, [(*_values(record), "new", None, "") for record in records])

    def change(self, connection: Connection, changes: Iterable[MessageStateRecord]) -> int:
        """Apply changes in order; returns how many changed something. What is deleted stays deleted."""
        return sum(
            connection.exec_driver_sql(_CHANGE, (change.state, change.at_us, change.by, change.id)).rowcount
            for change in changes
        )

    def mark(self, message_id: str, state: MessageState, at_us: int, by: str) -> bool:
        """Change one message now, from outside of the running switch; False when it is so already."""
        with self._database.writing() as connection:
            return self.change(connection, [MessageStateRecord(id=message_id, state=state, at_us=at_us, by=by)]) > 0

    def list_box(
        self, box: str | None = None, *, state: MessageState | None = None, limit: int = 100, offset: int = 0
    ) -> list[Message]:
        """Messages that are not deleted (or those in `state`), newest first; of all boxes without `box`."""
        columns = voicemail_messages.c
        query = select(voicemail_messages).where(columns.state == state if state else columns.state != "deleted")
        if box is not None:
            query = query.where(columns.box == box)
        return self._select(query.order_by(columns.left_us.desc(), columns.id.desc()).limit(limit).offset(offset))

    def page(
        self,
        boxes: Collection[str] | None = None,
        *,
        state: MessageState | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[Message]:
        """Messages of some boxes (None: of all), newest first; `after` is (left_us, id) of the last one before."""
        columns = voicemail_messages.c
        query = select(voicemail_messages).where(columns.state == state if state else columns.state != "deleted")
        if boxes is not None:
            query = query.where(columns.box.in_(boxes))
        place = (columns.left_us, columns.id)
        if after is not None:
            query = query.where(tuple_(*place) < tuple_(literal(after[0]), literal(after[1])))
        return self._select(query.order_by(*(column.desc() for column in place)).limit(limit))

    def older(self, before_us: int, limit: int, after: tuple[int, str] | None = None) -> list[Message]:
        """Messages left before a time that are not deleted, oldest first; `after` as in `page`."""
        columns = voicemail_messages.c
        query = select(voicemail_messages).where(columns.state != "deleted", columns.left_us < before_us)
        place = (columns.left_us, columns.id)
        if after is not None:
            query = query.where(tuple_(*place) > tuple_(literal(after[0]), literal(after[1])))
        return self._select(query.order_by(*place).limit(limit))

    def find(self, start: str, limit: int = 2) -> list[Message]:
        """The messages whose id begins with `start`, deleted ones too."""
        matching = voicemail_messages.c.id.startswith(start, autoescape=True)
        return self._select(select(voicemail_messages).where(matching).limit(limit))

    def states(self) -> dict[str, dict[str, MessageState]]:
        """By box, every message that is not deleted and its state."""
        columns = voicemail_messages.c
        query = select(columns.box, columns.id, columns.state).where(columns.state != "deleted")
        found: dict[str, dict[str, MessageState]] = {}
        with self._database.reading() as connection:
            for box, message_id, state in connection.execute(query):
                found.setdefault(box, {})[message_id] = state
        return found

    def counts(self) -> dict[str, Waiting]:
        """By box, what is stored."""
        columns = voicemail_messages.c
        query = (
            select(
                columns.box,
                func.count().filter(columns.state == "new"),
                func.count().filter(columns.state == "heard"),
            )
            .where(columns.state != "deleted")
            .group_by(columns.box)
        )
        with self._database.reading() as connection:
            return {box: Waiting(new, heard) for box, new, heard in connection.execute(query)}

    def _select(self, query: Select[tuple[object, ...]]) -> list[Message]:
        found = []
        with self._database.reading() as connection:
            for row in connection.execute(query).mappings():
                values = dict(row)
                state, changed_us, changed_by = (values.pop(name) for name in ("state", "changed_us", "changed_by"))
                found.append(Message(MessageRecord(**values), state, changed_us, changed_by))
        return found


class Voicemail:
    """The boxes of the running switch: kept in memory, written through the journal, never waiting for the database."""

    def __init__(self, journal: Journal, repository: MessageRepository, unloaded: Iterable[object] = ()) -> None:
        """`unloaded` are the records of the journal that the database does not have yet."""
        self.messages = repository
        self._journal = journal
        self._boxes = repository.states()
        self._box_of = {message_id: box for box, states in self._boxes.items() for message_id in states}
        for record in unloaded:
            if isinstance(record, MessageRecord) and record.id not in self._box_of:
                self._set(record.box, record.id, "new")
            elif isinstance(record, MessageStateRecord):
                self.apply({record.id: record.state})

    def waiting(self, box: str) -> Waiting:
        """How many messages a box has."""
        states = list(self._boxes.get(box, {}).values())
        return Waiting(states.count("new"), states.count("heard"))

    def listed(self, box: str) -> Mapping[str, MessageState]:
        """The messages of a box by id, and whether they were heard."""
        return dict(self._boxes.get(box, {}))

    def has_room(self, box: str) -> bool:
        """False when the box is full."""
        return len(self._boxes.get(box, ())) < BOX_MESSAGES

    def add(self, message: MessageRecord) -> Waiting:
        """Keep a message whose file is complete; what its box has now. The same message again changes nothing."""
        if message.id not in self._box_of:
            self._journal.append(Kind.MESSAGE, message.call_id, encode_message(message))
            self._set(message.box, message.id, "new")
        return self.waiting(message.box)

    def mark(self, message_id: str, state: MessageState, at_us: int, by: str = "") -> bool:
        """A message was heard or is deleted; False when it is so already, or not known."""
        if not self.apply({message_id: state}):
            return False
        change = MessageStateRecord(id=message_id, state=state, at_us=at_us, by=by)
        self._journal.append(Kind.MESSAGE_STATE, message_id, encode_message(change))
        return True

    def apply(self, states: Mapping[str, MessageState]) -> set[str]:
        """Take over changes that are stored already, as the command line makes them; the boxes that changed."""
        changed = set()
        for message_id, state in states.items():
            box = self._box_of.get(message_id)
            if box is not None and self._boxes[box][message_id] != state:
                self._set(box, message_id, state)
                changed.add(box)
        return changed

    def _set(self, box: str, message_id: str, state: MessageState) -> None:
        if state != "deleted":
            self._boxes.setdefault(box, {})[message_id] = state
            self._box_of[message_id] = box
            return
        del self._boxes[box][message_id], self._box_of[message_id]
        if not self._boxes[box]:
            del self._boxes[box]
