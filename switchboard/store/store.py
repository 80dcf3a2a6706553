"""Everything durable of one switch, opened and closed together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from config.schema import Mask
from routing.masks.check_digit import Check
from routing.masks.table import MaskTable
from switchboard.store.alive import last_alive_us
from switchboard.store.audit import AuditLog
from switchboard.store.call_history import CallHistory
from switchboard.store.callbacks import Callbacks
from switchboard.store.calls import CallRepository
from switchboard.store.database import Database, DatabaseError, cause_of
from switchboard.store.desk_config import DeskConfig
from switchboard.store.intake import Intake
from switchboard.store.journal import Journal
from switchboard.store.keys import load_vault
from switchboard.store.loader import Loader
from switchboard.store.mask_pools import MaskPools
from switchboard.store.masks import MaskChanges, MaskRepository, bind_configured, read_changes
from switchboard.store.records import utc_us
from switchboard.store.recovery import close_open_calls, open_calls, unloaded_records
from switchboard.store.registrations import RegistrationRepository
from switchboard.store.remarks import RemarkRepository
from switchboard.store.segments import segment_paths
from switchboard.store.tokens import RefreshTokenRepository
from switchboard.store.users import UserRepository
from switchboard.store.voicemail import Voicemail

DATABASE_NAME: Final = "switchboard.db"
JOURNAL_NAME: Final = "journal"
CONTROL_NAME: Final = "control.sock"

_log = structlog.get_logger("switchboard.store")


class Store:
    """The database, the keys, the journal and its loader in one directory; the supervisor's lock keeps others out.

    Opening raises DatabaseError or KeyFileError, each one line, and SQLAlchemyError, which `fault_of` puts into one.
    `closed` is how many calls a kill left open.
    """

    def __init__(self, directory: Path, *, fresh: bool = False) -> None:
        """Open it; `fresh` empties the database and the journal first, the keys stay."""
        self.directory = directory
        if fresh:
            _empty(directory)
        self.database = Database(directory / DATABASE_NAME)
        self.vault = load_vault(directory, self.database)
        self.calls = CallRepository(self.database)
        self.masks = MaskRepository(self.database)
        self.users = UserRepository(self.database)
        self.refresh_tokens = RefreshTokenRepository(self.database, self.vault)
        self.audit = AuditLog(self.database)
        self.desk = DeskConfig(self.database)
        self.history = CallHistory(self.database)
        self.remarks = RemarkRepository(self.database)
        self.registrations = RegistrationRepository(self.database)
        journal = directory / JOURNAL_NAME
        left_open = open_calls(journal)
        self.journal = _open_journal(journal)
        self.closed = close_open_calls(self.journal, left_open, last_alive_us(journal))
        self.loader = Loader(journal, self.database, durable=lambda: self.journal.durable_segment)
        intake = Intake(self.database)
        unloaded = unloaded_records(journal, self.loader.position)
        self.voicemail = Voicemail(self.journal, intake.messages, unloaded)
        self.callbacks = Callbacks(self.journal, intake.callbacks, unloaded)
        if self.closed:
            _log.warning("store.calls_closed", calls=self.closed)
        self.loader.start()

    def load_masks(self, configured: Iterable[Mask], rest: Callable[[], None] | None = None) -> MaskTable:
        """A new table with the configured bindings and, winning over them, the stored ones.

        May run in a thread; `rest` is then called now and then, to let the other threads get on.
        """
        # Refusals that were journalled a moment ago are to be in it.
        self.loader.flush()
        table = MaskTable()
        bind_configured(table, configured, self.vault)
        for number, (_, _, check, _) in MaskPools(self.database, "").extension_ranges().items():
            try:
                table.set_check(number, check)
            except ValueError as error:
                _log.error("store.no_check_digit", number=number, reason=str(error))
        self.masks.fill(table, rest, now_us=utc_us())
        return table

    def read_pools(self) -> tuple[list[str], dict[str, Check]]:
        """The X numbers of all pools, and the check digits of main numbers; may run in a thread."""
        pools = MaskPools(self.database, "")
        return pools.all_numbers(), {number: one[2] for number, one in pools.extension_ranges().items()}

    def read_mask_changes(self, bindings: Sequence[str], configured: Iterable[Mask]) -> MaskChanges:
        """What some bindings are now, for `apply_changes` to bring into the running table; may run in a thread."""
        return read_changes(self.masks, bindings, configured, self.vault, now_us=utc_us())

    def reload_keys(self) -> None:
        """Read the key files again, after a key was added; a wrong one raises and changes nothing."""
        self.vault.swap(load_vault(self.directory, self.database))

    def close(self) -> None:
        """Bring what is journalled into the database and close all."""
        self.loader.close()
        self.journal.sync()
        try:
            self.loader.flush()
        except (SQLAlchemyError, OSError) as error:
            # The journal has it; the next start goes on from there.
            _log.error("store.flush_failed", reason=cause_of(error))
        self.journal.close()
        self.database.close()


def _open_journal(directory: Path) -> Journal:
    try:
        return Journal(directory)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DatabaseError(f"{directory}: the journal cannot be written ({reason})") from None


def _empty(directory: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (directory / f"{DATABASE_NAME}{suffix}").unlink(missing_ok=True)
    for path in segment_paths(directory / JOURNAL_NAME):
        path.unlink()
