"""A process that journals calls until it is killed; it says on stdout which call has been journaled.

Usage: python -m tests.support.journal_writer DIRECTORY SEGMENT_BYTES [load]

With "load" it also loads the journal into DIRECTORY/../calls.db while it writes.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from switchboard.store.database import Database
from switchboard.store.journal import Journal
from switchboard.store.loader import Loader
from switchboard.store.records import encode_record, encode_snapshot
from switchboard.store.segments import Kind
from tests.support.records import call_record


def main() -> None:
    """Open, change and end calls; every seventh stays open, as does whatever a kill interrupts."""
    directory = Path(sys.argv[1])
    journal = Journal(directory, segment_bytes=int(sys.argv[2]))
    if sys.argv[3:] == ["load"]:
        Loader(
            directory,
            Database(directory.parent / "calls.db"),
            durable=lambda: journal.durable_segment,
            poll_seconds=0.0,
            batch_bytes=20_000,
        ).start()
    for number in itertools.count():
        record = call_record(number)
        snapshot = encode_snapshot(call_record(number, ended=False), b"sealed")
        journal.append(Kind.OPENED, record.id, snapshot)
        journal.append(Kind.CHANGED, record.id, snapshot)
        if number % 7:
            journal.append(Kind.ENDED, record.id, encode_record(record))
        os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    main()
