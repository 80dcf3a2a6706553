"""An agent's last ten calls, remarks, and what is known of a caller."""

from __future__ import annotations

import pytest

from switchboard.store import remarks as module
from switchboard.store.call_history import CallHistory
from switchboard.store.calls import CallRepository
from switchboard.store.database import Database
from switchboard.store.records import CallRecord
from switchboard.store.remarks import Remark, RemarkRepository
from tests.support.records import BEGAN_US, call_record
from tests.unit.store.test_call_search import keep, numbers

NOW = BEGAN_US + 10**9


@pytest.fixture
def history(database: Database) -> CallHistory:
    """Fourteen calls of agent 1001, the last one of 1002 too."""
    records = [call_record(number) for number in range(14)]
    records[13].legs[0].agent = "1002"
    keep(database, *records)
    return CallHistory(database)


def last(history: CallHistory, agent: str = "1001") -> list[int]:
    """Which calls are shown."""
    return numbers([call.record for call in history.last_calls(agent)])


def test_the_last_ten(history: CallHistory, database: Database) -> None:
    """Newest first, with the agent's own part, the region, the keys and the remarks."""
    RemarkRepository(database).add(call_record(13).id, who="alice", at_us=NOW, text=" wants a refund ")
    assert last(history) == [13, 12, 11, 10, 9, 8, 7, 6, 5, 4]
    newest = history.last_calls("1001", 1)[0]
    assert (newest.answered_us, newest.group) == (call_record(13).started_us + 6, "support")
    assert newest.talk_us == 30_000_000 - 6
    assert (newest.record.province, newest.record.city, len(newest.record.trail)) == ("江苏", "常州", 2)
    assert [(remark.who, remark.text) for remark in newest.remarks] == [("alice", "wants a refund")]
    assert last(history, "1003") == []


def test_a_deleted_one_brings_up_the_next(history: CallHistory) -> None:
    """For that agent alone; the call itself stays."""
    assert history.hide("1001", call_record(13).id, NOW)
    assert history.hide("1001", call_record(8).id, NOW)
    assert last(history) == [12, 11, 10, 9, 7, 6, 5, 4, 3, 2]
    assert last(history, "1002") == [13]
    assert not history.hide("1001", call_record(13).id, NOW)


def test_calls_of_others_cannot_be_hidden(history: CallHistory) -> None:
    """Nor calls that are not there."""
    assert not history.hide("1002", call_record(5).id, NOW)
    assert not history.hide("1001", "no such call", NOW)


def test_the_order_is_that_of_answering(database: Database) -> None:
    """A caller who waited long and was answered last is on top."""
    early, late = call_record(1), call_record(2)
    early.legs[1].answered_us = early.segments[1].started_us = late.started_us + 20_000_000
    keep(database, early, late)
    assert last(CallHistory(database)) == [1, 2]


def test_hidden_ones_go_with_their_calls(history: CallHistory, database: Database) -> None:
    """When a call is erased, what refers to it goes too."""
    history.hide("1001", call_record(13).id, NOW)
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM calls WHERE id = ?", (call_record(13).id,))
        for table in ("hidden_calls", "call_agents"):
            count = connection.exec_driver_sql(
                f"SELECT count(*) FROM {table} WHERE call_id = ?", (call_record(13).id,)
            ).scalar()
            assert count == 0


def test_what_is_known_of_a_caller(database: Database) -> None:
    """All calls of one fingerprint, page by page, with their remarks."""
    records = [call_record(number) for number in range(5)]
    for record in records[:4]:
        record.caller_fingerprint = b"someone"
    keep(database, *records)
    remarks = RemarkRepository(database)
    remarks.add(records[2].id, who="alice", at_us=NOW, text="first")
    history = CallHistory(database)
    first = history.contact(b"someone", 3)
    assert numbers(first.calls) == [3, 2, 1]
    assert [remark.text for remark in first.remarks[records[2].id]] == ["first"]
    assert first.next is not None
    second = history.contact(b"someone", 3, first.next)
    assert (numbers(second.calls), second.next) == ([0], None)
    with pytest.raises(ValueError, match="nobody in particular"):
        history.contact(b"", 3)


class TestRemarks:
    """Remarks on calls."""

    @pytest.fixture
    def remarks(self, database: Database) -> RemarkRepository:
        """None yet."""
        return RemarkRepository(database)

    def test_they_are_kept_in_order(self, remarks: RemarkRepository) -> None:
        """Also of a call that is still up, and so not stored."""
        one = remarks.add("call", who="alice", at_us=NOW, text="one")
        two = remarks.add("call", who="bob", at_us=NOW + 1, text="two")
        assert one == Remark(1, "call", NOW, "alice", "one")
        assert remarks.of_call("call") == [one, two]
        assert remarks.of_call("other") == []
        assert remarks.get(one.id) == one
        assert remarks.remove(one.id)
        assert not remarks.remove(one.id)
        assert remarks.get(one.id) is None
        assert remarks.add("call", who="a", at_us=NOW, text="three").id == 3

    @pytest.mark.parametrize("text", ["", "  \n", "x" * 2001])
    def test_bounds_of_a_text(self, remarks: RemarkRepository, text: str) -> None:
        """Neither empty nor too long."""
        with pytest.raises(ValueError, match="a remark has 1 to 2000 characters"):
            remarks.add("call", who="alice", at_us=NOW, text=text)

    def test_bound_of_a_call(self, remarks: RemarkRepository, monkeypatch: pytest.MonkeyPatch) -> None:
        """A call has so many and no more."""
        monkeypatch.setattr(module, "MAX_OF_CALL", 2)
        for text in ("a", "b"):
            remarks.add("call", who="alice", at_us=NOW, text=text)
        with pytest.raises(ValueError, match="at most 2"):
            remarks.add("call", who="alice", at_us=NOW, text="c")
        remarks.add("other", who="alice", at_us=NOW, text="c")


def test_a_stored_call_keeps_all(database: Database) -> None:
    """Agents, groups, lengths and region come out of the database as they went in."""
    record = call_record(1)
    assert keep(database, record).get(record.id) == record
    plain = CallRecord(id="00000000-0000-7000-8000-000000000099")
    assert keep(database, plain).get(plain.id) == plain
    assert CallRepository(database).count() == 2
