"""What a client has seen happen is there when it asks: nothing is told from a database that lags behind the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from switchboard.api.principal import Principal
from switchboard.api.resources.live import Live
from switchboard.calls.news import CallNews
from switchboard.store.records import CallRecord, MessageRecord, RecordingRecord, encode_record
from switchboard.store.segments import Kind
from tests.support.api_switch import ApiSwitch, Client
from tests.support.records import call_record


@pytest.fixture(autouse=True)
def lagging(switch: ApiSwitch) -> None:
    """Nobody loads the journal of their own accord."""
    switch.store.loader.close()


def just_ended(switch: ApiSwitch) -> str:
    """A call of anna's, whose caller has just hung up; its id."""
    switch.run(lambda now: switch.desk.wrap_up_done("anna", "anna", now))
    call, out = switch.talk()
    switch.world.within(switch.world.carrier, out, "BYE", 2)
    assert call.id not in switch.x.calls
    assert switch.store.calls.get(call.id) is None
    return call.id


@pytest.fixture
def ended(switch: ApiSwitch) -> str:
    """One such call."""
    return just_ended(switch)


def test_a_call_that_has_just_ended_is_among_the_records(switch: ApiSwitch, anna: Client) -> None:
    """By itself, in lists, in the caller's history, for a remark, and to be taken out of one's own last calls."""
    asked: list[Callable[[str], bool]] = [
        lambda call: anna("GET", f"/records/{call}")["id"] == call,
        lambda call: anna("GET", "/records")["items"][0]["id"] == call,
        lambda call: anna("GET", "/my/calls")[0]["call"] == call,
        lambda call: anna("DELETE", f"/my/calls/{call}", 204) == b"",
        lambda call: anna("GET", f"/contacts/{call}")["calls"][0]["id"] == call,
        lambda call: anna("GET", f"/records/{call}/remarks") == [],
        lambda call: anna("POST", f"/records/{call}/remarks", 201, json={"text": "kind"})["text"] == "kind",
    ]
    for number, ask in enumerate(asked):
        assert ask(just_ended(switch)), f"question {number}"


def test_it_is_exported(switch: ApiSwitch, boss: Client, ended: str) -> None:
    """And by its contact, which is found without any call."""
    assert ended in boss("GET", "/records/export").decode()
    contact = boss("GET", f"/records/{ended}")["contact"]
    assert [one["id"] for one in boss("GET", f"/contacts/{contact}")["calls"]] == [ended]


def test_whoever_calls_again_at_once_rings_with_the_call_before(switch: ApiSwitch, ended: str) -> None:
    """The event of the ringing phone has it among the last calls."""
    switch.run(lambda now: switch.desk.wrap_up_done("anna", "anna", now))
    switch.dial()
    call = next(iter(switch.x.calls))
    boss = Principal(id="b", name="boss", role="supervisor", agent="", session="b")
    news = CallNews(step="ringing", call=call, at_us=1, agent="anna")
    ring = asyncio.run(Live(switch.parts).ring(news, boss))
    assert ring is not None
    assert [row.id for row in ring.history] == [ended]


def test_a_recording_is_there_with_its_call(switch: ApiSwitch, boss: Client) -> None:
    """In the list, and by itself."""
    for number in (1, 2):
        record: CallRecord = call_record(number)
        record.recordings = [RecordingRecord(id=f"rec-{number}", path="r.wav", started_us=record.started_us)]
        switch.store.journal.append(Kind.ENDED, record.id, encode_record(record))
        if number == 1:
            assert boss("GET", "/recordings/rec-1")["call"] == record.id
    assert [one["id"] for one in boss("GET", "/recordings")["items"]] == ["rec-2", "rec-1"]


def test_a_message_is_there_and_as_it_was_left_by_telephone(switch: ApiSwitch, anna: Client) -> None:
    """New, then heard, then gone."""
    switch.store.voicemail.add(MessageRecord(id="m1", box="sales", path="m1.wav", left_us=1, seconds=2.0))
    assert [one["id"] for one in anna("GET", "/voicemail")["items"]] == ["m1"]
    switch.store.voicemail.mark("m1", "heard", 2)
    assert anna("GET", "/voicemail/m1")["state"] == "heard"
    switch.store.voicemail.mark("m1", "deleted", 3)
    anna("GET", "/voicemail/m1", 404)


def test_a_database_that_fails_hides_only_what_is_new(
    switch: ApiSwitch, boss: Client, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has is told, and the rest when it can be written again."""
    assert boss("GET", "/records")["items"]
    switch.store.journal.append(Kind.ENDED, call_record(1).id, encode_record(call_record(1)))

    def full(*told: object) -> None:
        raise OperationalError("insert", None, Exception("disk full"))

    with monkeypatch.context() as patch:
        patch.setattr(switch.store.loader, "_store", full)
        assert [one["id"] for one in boss("GET", "/records")["items"]] == [ended]
        boss("GET", f"/records/{call_record(1).id}", 404)
    assert len(boss("GET", "/records")["items"]) == 2
