"""A process that journals calls until it is killed; it says on stdout which call has been journaled.

Usage: python -m tests.support.journal_writer DIRECTORY SEGMENT_BYTES
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from switchboard.store.journal import Journal
from switchboard.store.records import encode_record
from switchboard.store.segments import Kind
from tests.support.records import call_record


def main() -> None:
    """Open, change and end calls; every seventh stays open, as does whatever a kill interrupts."""
    journal = Journal(Path(sys.argv[1]), segment_bytes=int(sys.argv[2]))
    for number in itertools.count():
        record = call_record(number)
        snapshot = encode_record(call_record(number, ended=False))
        journal.append(Kind.OPENED, record.id, snapshot)
        journal.append(Kind.CHANGED, record.id, snapshot)
        if number % 7:
            journal.append(Kind.ENDED, record.id, encode_record(record))
        os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    main()
