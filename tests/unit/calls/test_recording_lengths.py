"""How long a recording is, in the record of its call, whenever that is known."""

from __future__ import annotations

import pytest

from switchboard.calls.news import RecordingNews
from switchboard.calls.recording import recording_ready
from switchboard.calls.settings import Service
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.store.records import decode_length
from switchboard.store.segments import Kind
from tests.support.exchange import World

NUMBER = "4001"
LATE = "the recorder does not answer"


def recorded_call() -> tuple[World, OutgoingRequest, int, str]:
    """A world with a talk that is recorded, its caller's port and the recording's id."""
    world = World(services={NUMBER: Service(record=True)})
    out, _ = world.dial(NUMBER)
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    ((_, port, identity, _, _),) = world.plane.named("record")
    assert isinstance(port, int)
    return world, out, port, str(identity)


def ready(world: World, recording: str, call: str, seconds: float) -> None:
    """Its file is complete."""
    news = RecordingNews(
        recording=recording, call=call, kind="call", seconds=seconds, octets=1, gaps=0, sha256="5a" * 32, at_us=1
    )
    recording_ready(world.exchange, news)


def lengths(world: World) -> list[tuple[str, str, float]]:
    """What is journalled of recordings after their calls."""
    entries = [one for one in world.journal.entries if one[0] == Kind.RECORDING]
    return [(call, decode_length(payload).id, decode_length(payload).seconds) for _, call, payload in entries]


def end(world: World, out: OutgoingRequest) -> None:
    """The caller leaves."""
    world.within(world.carrier, out, "BYE", 2)
    world.run()


@pytest.mark.parametrize("told", [0.0, 3.0])
def test_a_recorder_that_answers_after_the_call(told: float) -> None:
    """What the record does not tell, or not rightly, is journalled after it."""
    world, out, port, recording = recorded_call()
    world.plane.recorded(port, told, reason=LATE)
    end(world, out)
    (record,) = world.journal.records
    ready(world, recording, record.id, 12.5)
    assert lengths(world) == [(record.id, recording, 12.5)]
    assert not world.exchange.lengths


def test_a_recorder_that_answers_late_in_the_call() -> None:
    """The record that is still to be written has it."""
    world, out, port, recording = recorded_call()
    world.plane.recorded(port, 0.0, reason=LATE)
    world.run()
    (call,) = world.exchange.calls
    ready(world, recording, call, 12.5)
    end(world, out)
    assert [one.seconds for one in world.journal.records[0].recordings] == [12.5]
    assert lengths(world) == []


def test_a_recorder_that_answers_in_time() -> None:
    """Nothing is journalled of what the record tells already, nor of a voice message."""
    world, out, _, recording = recorded_call()
    end(world, out)
    (record,) = world.journal.records
    assert record.recordings[0].seconds == 10.0
    ready(world, recording, record.id, 10.0)
    ready(world, "", record.id, 10.0)
    assert lengths(world) == []
    assert not world.exchange.lengths
