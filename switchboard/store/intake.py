"""What the database takes from the journal, by kind: how it is decoded and which table it goes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from switchboard.store.callbacks import CallbackRepository
from switchboard.store.calls import CallRepository
from switchboard.store.database import Database
from switchboard.store.mask_use import note_refusal, note_used, note_window
from switchboard.store.recordings import measure
from switchboard.store.records import (
    CallbackRecord,
    CallbackStateRecord,
    CallRecord,
    MessageRecord,
    MessageStateRecord,
    RecordingLength,
    RefusalRecord,
    WindowRecord,
    decode_callback,
    decode_callback_state,
    decode_length,
    decode_message,
    decode_message_state,
    decode_record,
    decode_refusal,
    decode_window,
)
from switchboard.store.segments import Kind
from switchboard.store.voicemail import MessageRepository

Journalled = (
    CallRecord | MessageRecord | MessageStateRecord | CallbackRecord | CallbackStateRecord
    | RefusalRecord | WindowRecord | RecordingLength
)  # fmt: skip

DECODERS: Final[Mapping[int, Callable[[bytes], Journalled]]] = {
    Kind.ENDED: decode_record,
    Kind.MESSAGE: decode_message,
    Kind.MESSAGE_STATE: decode_message_state,
    Kind.CALLBACK: decode_callback,
    Kind.CALLBACK_STATE: decode_callback_state,
    Kind.REFUSAL: decode_refusal,
    Kind.WINDOW: decode_window,
    Kind.RECORDING: decode_length,
}


class Intake:
    """The tables that are filled from the journal."""

    def __init__(self, database: Database) -> None:
        self.calls = CallRepository(database)
        self.messages = MessageRepository(database)
        self.callbacks = CallbackRepository(database)

    def insert(self, connection: Connection, records: Sequence[Journalled]) -> int:
        """Store what is new of a batch, within the caller's transaction; returns how many calls."""
        calls = []
        lengths = []
        for record in records:
            match record:
                case CallRecord():
                    calls.append(record)
                # One by one and in order: a number may be asked for again once its first request is over.
                case MessageRecord():
                    self.messages.insert(connection, [record])
                case MessageStateRecord():
                    self.messages.change(connection, [record])
                case CallbackRecord():
                    self.callbacks.insert(connection, [record])
                case CallbackStateRecord():
                    self.callbacks.change(connection, [record])
                case RefusalRecord():
                    note_refusal(connection, record)
                case WindowRecord():
                    note_window(connection, record)
                case RecordingLength():
                    lengths.append(record)
        stored = 0
        if calls:
            note_used(connection, calls)
            stored = self.calls.insert(connection, calls)
        # Of calls that may have come in the same batch.
        measure(connection, lengths)
        return stored
