"""The tables of legs, phases and causes."""

from __future__ import annotations

import itertools

import pytest

from switchboard.calls.call import PHASES, Phase
from switchboard.calls.causes import (
    CAUSES,
    REASON_PHRASES,
    STATUS_OF_Q850,
    cause_of_hangup,
    cause_of_response,
    read_q850,
)
from switchboard.calls.leg import TRANSITIONS, Leg, LegInput, LegState
from switchboard.store.records import LegRecord


def leg(state: LegState) -> Leg:
    """A leg in a state."""
    record = LegRecord(id="l", role="agent")
    return Leg(
        id="l", call_id="c", role="agent", state=state, local_tag="t", source=("127.0.0.1", 1), sdp_id=1, record=record
    )


@pytest.mark.parametrize(("state", "moved_by"), list(itertools.product(LegState, LegInput)))
def test_a_leg_moves_as_its_table_says_and_else_stays(state: LegState, moved_by: LegInput) -> None:
    """Every pair: a row of the table is followed, a missing one changes nothing."""
    subject = leg(state)
    expected = TRANSITIONS.get((state, moved_by))
    assert subject.move(moved_by) is (expected is not None)
    assert subject.state is (expected or state)


def test_every_leg_state_has_a_way_to_the_end_and_the_end_has_none() -> None:
    """Nobody is stuck in a state."""
    for state in LegState:
        outgoing = [target for (source, _), target in TRANSITIONS.items() if source is state]
        assert (LegState.ENDED in outgoing) is (state is not LegState.ENDED)
        assert bool(outgoing) is (state is not LegState.ENDED)


def test_every_phase_of_a_call_leads_to_its_end() -> None:
    """From each phase ENDED can be reached, and from ENDED nothing."""
    for phase in Phase:
        seen, front = {phase}, [phase]
        while front:
            for following in PHASES[front.pop()] - seen:
                seen.add(following)
                front.append(following)
        assert Phase.ENDED in seen
    assert not PHASES[Phase.ENDED]


def test_every_cause_has_a_status_with_a_phrase_and_a_reason() -> None:
    """A Reason header of ours is well formed and carries the cause's number back."""
    for cause in CAUSES.values():
        assert cause.status in REASON_PHRASES
        assert read_q850([cause.reason_header.partition(": ")[2]]) == cause.q850


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (['Q.850;cause=16;text="Terminated"'], 16),
        (["SIP ;cause=200", "q.850 ; cause = 31"], 31),
        (['SIP;cause=600;text="x", Q.850;cause=17'], 17),
        (['Q.850;text="a;b";cause=41'], 41),
        (["Q.850;cause=999"], None),
        (["SIP;cause=487"], None),
        (["Q.850"], None),
        ([], None),
    ],
)
def test_the_q850_cause_is_found_in_reason(values: list[str], cause: int | None) -> None:
    """Whatever stands before, in whatever case (RFC 3326 §2)."""
    assert read_q850(values) == cause


def test_every_cause_has_a_status_of_refusal() -> None:
    """As RFC 3398 §8.2.6.1 lists them."""
    assert set(STATUS_OF_Q850) <= set(range(1, 128))
    assert set(STATUS_OF_Q850.values()) <= set(range(400, 700))


@pytest.mark.parametrize(
    ("status", "reasons", "word", "sent", "q850"),
    [
        (486, [], "busy", 486, 17),
        (480, ["Q.850;cause=17"], "busy", 486, 17),
        (503, ["Q.850;cause=1"], "unknown", 404, 1),
        (480, ["Q.850;cause=111"], "failed", 500, 111),
        (486, ["Q.850;cause=21"], "busy", 486, 21),
        (499, [], "failed", 500, 41),
        (403, [], "forbidden", 403, 21),
        (480, ["Q.850;cause=21"], "forbidden", 403, 21),
        (503, ["Q.850;cause=57"], "forbidden", 403, 57),
        (607, [], "declined", 603, 21),
        (608, ["Q.850;cause=21"], "declined", 603, 21),
    ],
)
def test_the_reason_of_a_refusal_refines_its_status(
    status: int, reasons: list[str], word: str, sent: int, q850: int
) -> None:
    """A gateway's general status gives way to the telephone network's cause (RFC 6432)."""
    cause = cause_of_response(status, reasons)
    assert (cause.word, cause.status, cause.q850) == (word, sent, q850)


def test_a_hangup_without_a_reason_is_normal() -> None:
    """Cause 16, or the one that the BYE names."""
    assert cause_of_hangup([]).q850 == 16
    assert cause_of_hangup(["Q.850;cause=38"]).q850 == 38
