"""Records, remarks, histories and last calls over the API."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from switchboard.api.pace import Pace, Rate
from switchboard.api.services import RATES
from switchboard.store.records import CallRecord
from tests.support.api_switch import CALLER, ApiSwitch, Client


@pytest.fixture
def record(switch: ApiSwitch) -> CallRecord:
    """A call that anna answered and the caller ended."""
    _, out = switch.talk()
    switch.world.advance(10)
    return switch.hang_up(out)


def test_a_record_is_found_and_shown(switch: ApiSwitch, boss: Client, record: CallRecord) -> None:
    """In the list and by itself, with stretches, legs and agents; numbers are masked."""
    (row,) = boss("GET", "/records")["items"]
    assert (row["id"], row["agent"], row["group"], row["caller"]) == (record.id, "anna", "sales", "139****9999")
    assert (row["talked"], row["ended_by"], row["cause"]) == (10.0, "caller", "normal")
    view = boss("GET", f"/records/{record.id}")
    assert {"queue", "talk"} <= {segment["kind"] for segment in view["segments"]}
    assert [leg["agent"] for leg in view["legs"]] == ["", "anna"]
    assert CALLER not in boss.answer.text
    boss("GET", "/records/none", 404)


def test_filters_leave_others_out(boss: Client, record: CallRecord) -> None:
    """Each condition by itself, fulfilled and not."""
    contact = boss("POST", "/contacts/find", json={"number": CALLER})["contact"]
    stranger = boss("POST", "/contacts/find", json={"number": "13900008888"})["contact"]
    for condition, count in (
        ("agent=anna", 1), ("agent=ben", 0), ("group=sales", 1), ("group=care", 0), (f"contact={contact}", 1),
        (f"contact={stranger}", 0), ("called=4003", 1), ("called=4004", 0), ("answered=true", 1),
        ("answered=false", 0), ("cause=normal", 1), ("cause=busy", 0), ("direction=in", 1), ("direction=out", 0),
        ("since=2020-01-01T00:00:00Z", 1), ("until=2020-01-01T00:00:00Z", 0),
    ):  # fmt: skip
        assert len(boss("GET", f"/records?{condition}")["items"]) == count, condition
    boss("GET", "/records?since=yesterday", 400)
    boss("GET", "/records?contact=139", 400)


def test_records_are_paged(switch: ApiSwitch, boss: Client, record: CallRecord) -> None:
    """Newest first, each once."""
    _, out = switch.talk()
    later = switch.hang_up(out)
    page = boss("GET", "/records?limit=1")
    rest = boss("GET", f"/records?limit=1&cursor={page['next']}")
    assert [one["id"] for one in (*page["items"], *rest["items"])] == [later.id, record.id]
    assert rest["next"] is None


def test_agents_see_what_they_answered(anna: Client, carl: Client, auditor: Client, record: CallRecord) -> None:
    """Their own calls in the list and by themselves; auditors see all."""
    assert [one["id"] for one in anna("GET", "/records")["items"]] == [record.id]
    anna("GET", f"/records/{record.id}")
    anna("GET", "/records?agent=ben", 403)
    assert carl("GET", "/records")["items"] == []
    carl("GET", f"/records/{record.id}", 403)
    assert [one["id"] for one in auditor("GET", "/records")["items"]] == [record.id]


def test_the_export_is_csv_and_no_formula(switch: ApiSwitch, boss: Client, record: CallRecord) -> None:
    """One line a call under a head; who exported is in the log."""
    text = boss("GET", "/records/export").decode()
    head, row = list(csv.reader(io.StringIO(text)))
    cells = dict(zip(head, row, strict=True))
    assert (cells["id"], cells["caller"], cells["talked"]) == (record.id, "139****9999", "10.000")
    assert boss.answer.headers["content-disposition"] == 'attachment; filename="calls.csv"'
    assert datetime.fromisoformat(cells["started"]).tzinfo == UTC
    assert [entry.action for entry in switch.store.audit.page()] == ["records.export"]


def test_the_audit_log_says_what_was_exported(switch: ApiSwitch, boss: Client, anna: Client) -> None:
    """Every condition, in the order of the filter; numbers are masked, a caller is the contact."""
    contact = "0123456789abcdef" * 2
    asked = f"called=4008001234&contact={contact}&answered=false&direction=in&group=13900009999"
    boss("GET", "/records/export")
    boss("GET", f"/records/export?since=2026-01-01T00:00:00Z&until=2026-02-01T08:00:00%2B08:00&{asked}")
    boss("GET", f"/records/export?flow={'f' * 500}")
    anna("GET", "/records/export", 403)
    longest, told, everything = (entry.detail for entry in switch.store.audit.page())
    assert everything == "all"
    assert told == (
        "since 2026-01-01T00:00:00+00:00, until 2026-02-01T00:00:00+00:00, called 40****34, "
        "contact 0123:4567:89ab:cdef:0123:4567:89ab:cdef, group 139****9999, direction in, answered false"
    )
    assert longest == f"flow {'f' * 80}"


def test_a_number_is_revealed_to_admins_and_logged(
    switch: ApiSwitch, boss: Client, admin: Client, auditor: Client, record: CallRecord
) -> None:
    """The clear number needs the role and a reason; the log has both and no number."""
    boss("POST", f"/records/{record.id}/reveal", 403, json={"reason": "complaint 17"})
    auditor("POST", f"/records/{record.id}/reveal", 403, json={"reason": "complaint 17"})
    admin("POST", f"/records/{record.id}/reveal", 400, json={"reason": ""})
    assert admin("POST", f"/records/{record.id}/reveal", json={"reason": "complaint 17"}) == {"number": CALLER}
    (entry,) = switch.store.audit.page()
    assert (entry.who, entry.action, entry.subject, entry.detail) == (
        "admin", "record.reveal", record.id, "complaint 17",
    )  # fmt: skip
    assert CALLER not in str(entry)


def test_remarks_are_written_and_taken_away(anna: Client, carl: Client, boss: Client, record: CallRecord) -> None:
    """Who may see the call may remark; agents take away their own remarks only."""
    remark = anna("POST", f"/records/{record.id}/remarks", 201, json={"text": "wants an invoice"})
    carl("POST", f"/records/{record.id}/remarks", 403, json={"text": "me too"})
    boss("POST", f"/records/{record.id}/remarks", 201, json={"text": "done"})
    listed = anna("GET", f"/records/{record.id}/remarks")
    assert [(one["by"], one["text"]) for one in listed] == [("anna", "wants an invoice"), ("supervisor", "done")]
    anna("DELETE", f"/records/{record.id}/remarks/{listed[1]['id']}", 403)
    anna("DELETE", f"/records/other/remarks/{remark['id']}", 404)
    anna("DELETE", f"/records/{record.id}/remarks/{remark['id']}", 204)
    assert [one["text"] for one in anna("GET", f"/records/{record.id}/remarks")] == ["done"]


def test_a_remark_is_kept_once(anna: Client, record: CallRecord) -> None:
    """Sent again with its key it is the same one."""
    key = {"Idempotency-Key": "r1"}
    for _ in range(2):
        anna("POST", f"/records/{record.id}/remarks", 201, json={"text": "once"}, headers=key)
    assert len(anna("GET", f"/records/{record.id}/remarks")) == 1


def test_a_remark_may_be_written_while_the_call_is_up(switch: ApiSwitch, anna: Client, carl: Client) -> None:
    """By those who may see it."""
    call, _ = switch.talk()
    anna("POST", f"/records/{call.id}/remarks", 201, json={"text": "listening"})
    carl("POST", f"/records/{call.id}/remarks", 403, json={"text": "curious"})
    anna("POST", "/records/none/remarks", 404, json={"text": "nothing"})


def test_the_history_of_a_caller(switch: ApiSwitch, anna: Client, record: CallRecord) -> None:
    """By contact, by an ended call, and by one that is up: earlier calls and remarks."""
    anna("POST", f"/records/{record.id}/remarks", 201, json={"text": "wants an invoice"})
    call, _ = switch.talk()
    contact = anna("GET", f"/calls/{call.id}")["contact"]
    for name in (contact, record.id, call.id):
        history = anna("GET", f"/contacts/{name}")
        assert (history["contact"], history["number"]) == (contact, "139****9999")
        assert [one["id"] for one in history["calls"]] == [record.id]
        assert [one["text"] for one in history["remarks"]] == ["wants an invoice"]


def test_finding_a_contact_tells_no_more(boss: Client, anna: Client) -> None:
    """Numbers are asked for in a body, by those who may look at all records."""
    anna("POST", "/contacts/find", 403, json={"number": CALLER})
    boss("POST", "/contacts/find", 422, json={"number": "not a number"})
    assert boss("POST", "/contacts/find", json={"number": CALLER})["number"] == "139****9999"


def test_masked_numbers_are_not_found_by_trying(switch: ApiSwitch, boss: Client, admin: Client) -> None:
    """Who tries all that look alike is slowed down after sixty, and each is in the log, masked; others are not."""
    pace = Pace(switch.clock, {**RATES, "user": Rate(1e6, 1e6)})
    object.__setattr__(switch.services, "pace", pace)
    for last in range(60):
        boss("POST", "/contacts/find", json={"number": f"13900{last:02}9999"})
    boss("POST", "/contacts/find", 429, json={"number": CALLER})
    admin("POST", "/contacts/find", json={"number": CALLER})
    logged = switch.store.audit.page(limit=200)
    assert len(logged) == 61
    assert {(entry.action, entry.detail) for entry in logged} == {("contact.find", "139****9999")}


def test_last_calls_come_up_as_others_are_hidden(switch: ApiSwitch, anna: Client, boss: Client) -> None:
    """Ten are shown; hiding one brings up the eleventh. The record stays."""
    ids = []
    for _ in range(11):
        _, out = switch.talk()
        ids.append(switch.hang_up(out).id)
        switch.world.advance(6)
    newest = list(reversed(ids))
    shown = anna("GET", "/my/calls")
    assert [one["call"] for one in shown] == newest[:10]
    assert (shown[0]["number"], shown[0]["group"]) == ("139****9999", "sales")
    anna("DELETE", f"/my/calls/{newest[3]}", 204)
    assert [one["call"] for one in anna("GET", "/my/calls")] == newest[:3] + newest[4:]
    anna("DELETE", f"/my/calls/{newest[3]}", 404)
    anna("DELETE", "/my/calls/none", 404)
    boss("GET", f"/records/{newest[3]}")
    boss("GET", "/my/calls", 403)
