"""Registrations in the database: what comes out is what went in, and what broke is left out."""

from __future__ import annotations

from switchboard.sip.binding import Binding
from switchboard.sip.flow import TcpAddress, Udp6Address
from switchboard.store.database import Database
from switchboard.store.registrations import RegistrationRepository

OFFSET = 1_760_000_000.0
ALICE = Binding(
    contact="sip:alice@10.0.0.9:5060",
    source=("192.0.2.9", 40000),
    q=0.5,
    expires_at=160.25,
    call_id="c",
    cseq=7,
    user_agent="phone/1",
    params=';+sip.instance="<urn:uuid:1>"',
    path=("<sip:192.0.2.9;lr>",),
    instance="urn:uuid:1",
    reg_id=1,
)


def test_there_and_back(database: Database) -> None:
    """Every field, with the time as it is in another process: its clock began elsewhere."""
    kept = RegistrationRepository(database)
    other = Binding("sip:a@h", Udp6Address(("2001:db8::1", 5060)), 1.0, 100.0, "d", 1, "")
    kept.write({"alice@x": [ALICE, other]}, OFFSET)
    assert list(kept.read(OFFSET)) == [("alice@x", [ALICE, other])]
    ((_, (_, six)),) = kept.read(OFFSET)
    assert type(six.source) is Udp6Address
    ((_, (later, _)),) = kept.read(OFFSET + 1000.0)
    assert later.expires_at == 160.25 - 1000.0


def test_changed_and_gone(database: Database) -> None:
    """The newest state of an address-of-record is its only one; none at all is no row."""
    kept = RegistrationRepository(database)
    one = Binding("sip:a@h", ("192.0.2.1", 5060), 1.0, 100.0, "d", 1, "")
    kept.write({"alice@x": [ALICE], "bob@x": [one]}, OFFSET)
    kept.write({"alice@x": [one], "bob@x": []}, OFFSET)
    assert list(kept.read(OFFSET)) == [("alice@x", [one])]


def test_connections(database: Database) -> None:
    """What came over one is not kept, except behind a proxy, to which another can be made."""
    kept = RegistrationRepository(database)
    flow = TcpAddress(("192.0.2.1", 40000))
    plain = Binding("sip:a@h", flow, 1.0, 100.0, "d", 1, "")
    behind = Binding("sip:b@h", flow, 1.0, 100.0, "d", 1, "", path=("<sip:192.0.2.1;lr>",))
    kept.write({"a@x": [plain], "b@x": [behind]}, OFFSET)
    ((aor, (found,)),) = kept.read(OFFSET)
    assert (aor, found) == ("b@x", behind)
    assert type(found.source) is TcpAddress


def test_pruned(database: Database) -> None:
    """What has expired takes no room for ever."""
    kept = RegistrationRepository(database)
    late = Binding("sip:a@h", ("192.0.2.1", 5060), 1.0, 500.0, "d", 1, "")
    kept.write({"alice@x": [ALICE], "bob@x": [ALICE, late]}, OFFSET)
    assert kept.prune(round((OFFSET + 200.0) * 1e6)) == 1
    assert [aor for aor, _ in kept.read(OFFSET)] == ["bob@x"]


def test_what_cannot_be_read(database: Database) -> None:
    """One row that is spoilt does not keep the others away."""
    kept = RegistrationRepository(database)
    kept.write({"alice@x": [ALICE], "bob@x": [ALICE]}, OFFSET)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE registrations SET bindings = x'c1' WHERE aor = 'alice@x'")
    assert [aor for aor, _ in kept.read(OFFSET)] == ["bob@x"]
