"""Rotation of the encryption key over everything stored."""

from __future__ import annotations

import os

from routing.masks import RealNumber, Vault
from routing.masks.secret import Sealed, key_of
from switchboard.store.calls import CallRepository
from switchboard.store.database import Database
from switchboard.store.intake import Intake
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.masks import MaskRepository
from switchboard.store.rotation import reseal, sealed_under
from switchboard.store.users import UserRepository, open_totp, seal_totp
from tests.support.masks import line_row, number_row, open_row
from tests.support.records import call_record, callback_record, message_record

OLD = Vault({1: b"1" * 32}, b"h" * 32, os.urandom)
BOTH = Vault({1: b"1" * 32, 2: b"2" * 32}, b"i" * 32, os.urandom)
NUMBER = RealNumber("13956781234")


def fill(database: Database) -> None:
    """Bindings and calls under the old key, and some without a number."""
    rows = [number_row(OLD, str(number), "13956781234") for number in range(1500)]
    MaskEditor(database, "test").store([*rows, open_row("9999", "aor", "alice")])
    pair = line_row(OLD, "pair", "axb", "01088880001", "13956781234", "13900002222", policy='{"trunk":"carrier"}')
    MaskEditor(database, "test").store([pair, line_row(OLD, "own", "ax", "01088880002", target="aor:alice")])
    calls = [call_record(number) for number in range(3)]
    for call in calls[:2]:
        call.caller_sealed = OLD.seal(NUMBER)
    calls[2].caller_sealed = b""
    message, request = message_record(1), callback_record(1)
    message.caller_sealed = request.number_sealed = OLD.seal(NUMBER)
    with database.writing() as connection:
        Intake(database).insert(connection, [*calls, message, request])


def test_everything_goes_under_the_new_key(database: Database) -> None:
    """After resealing the old key opens nothing that is stored, and the new one everything."""
    fill(database)
    assert sealed_under(database, 1) == 1506
    assert reseal(database, BOTH) == 1506
    assert (sealed_under(database, 1), sealed_under(database, 2)) == (0, 1506)
    new = Vault({2: b"2" * 32}, b"i" * 32, os.urandom)
    for row in MaskRepository(database).rows():
        if row.sealed is not None:
            assert new.open(Sealed(row.sealed)) == NUMBER
    calls = CallRepository(database).recent(3)
    assert calls[0].caller_sealed == b""
    assert {key_of(Sealed(call.caller_sealed)) for call in calls[1:]} == {2}
    assert new.open(Sealed(calls[1].caller_sealed)) == NUMBER


def test_fingerprints_follow_the_new_hash_key(database: Database) -> None:
    """Look-ups by number work with the new hash key and not with the old one."""
    fill(database)
    reseal(database, BOTH)
    masks = MaskRepository(database)
    assert len(masks.find(BOTH.fingerprint(NUMBER))) == 1501
    assert [binding.id for binding in masks.find(BOTH.fingerprint(RealNumber("13900002222")))] == ["pair"]
    assert masks.find(OLD.fingerprint(NUMBER)) == []
    assert {call.caller_fingerprint for call in CallRepository(database).recent(3)[1:]} == {BOTH.fingerprint(NUMBER)}
    (message,), (request,) = Intake(database).messages.list_box(), Intake(database).callbacks.list_requests()
    assert message.record.caller_fingerprint == request.record.number_fingerprint == BOTH.fingerprint(NUMBER)


def test_again_changes_nothing(database: Database) -> None:
    """A second run finds all in order and writes the same bytes."""
    fill(database)
    reseal(database, BOTH)
    before = sorted(MaskRepository(database).rows())
    reseal(database, BOTH)
    assert sorted(MaskRepository(database).rows()) == before


def test_second_factors_go_under_the_new_key(database: Database) -> None:
    """Their secrets open with the new key alone; accounts without one stay as they are."""
    users = UserRepository(database)
    plain = users.create("plain", "admin", "hash", now_us=1)
    guarded = users.create("guarded", "agent", "hash", now_us=1, totp_sealed=seal_totp(OLD, "JBSWY3DPEHPK3PXP"))
    assert reseal(database, BOTH) == 1
    row = users.get(guarded.id)
    assert row is not None
    assert open_totp(Vault({2: b"2" * 32}, b"i" * 32, os.urandom), row) == "JBSWY3DPEHPK3PXP"
    assert users.get(plain.id) == plain
