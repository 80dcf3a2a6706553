"""The vocabulary of the transaction tables.

A machine is a dict (state, input) -> (next state, actions). Rules that hold for all four:

1. Everything that decides what a transaction does stands in its table; the executing code only obeys.
2. A pair that is missing is ignored when it came from the network or a timer, and is a `LocalError`
   when it came from the TU (inputs named SEND_*).
3. A transaction owns at most one armed timer. Retransmission and time-out share it: when the next
   retransmission would fall on or after the time-out, the time-out is armed instead.
4. Actions run in order, and a transmission stands before the timer that repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import TypeAlias, TypeVar


class State(IntEnum):
    """Every state of the four machines (RFC 3261 Figures 5-8, RFC 6026 §7)."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    ACKNOWLEDGED = auto()
    """Accepted, and the ACK for our 2xx has come: only timer L is awaited (RFC 3261 §13.3.1.4)."""
    TERMINATED = auto()


class Input(IntEnum):
    """Everything that can happen to a transaction."""

    START = auto()
    """The TU created a client transaction."""
    REQUEST = auto()
    """The request came again."""
    ACK = auto()
    """An ACK of the same branch: for a non-2xx final response."""
    ACK_2XX = auto()
    """An ACK of the dialog: for our 2xx."""
    PRACK = auto()
    """The provisional response that was sent reliably has arrived."""
    CANCEL = auto()
    """The peer cancels its INVITE, or the TU cancels ours."""
    SEND_1XX = auto()
    SEND_2XX = auto()
    SEND_RELIABLE = auto()
    """A provisional response that is sent until it is acknowledged (RFC 3262 §3)."""
    SEND_FINAL = auto()
    """A final response from the TU: 3xx-6xx to INVITE, any final to another method."""
    RECEIVE_1XX = auto()
    RECEIVE_2XX = auto()
    RECEIVE_FINAL = auto()
    """A final response from the network: 3xx-6xx to INVITE, any final to another method."""
    TRANSPORT_ERROR = auto()
    FLOW_LOST = auto()
    """The one connection by which the peer could answer has ended."""
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()
    TIMER_TRYING = auto()
    """200 ms have passed without a response of the TU (RFC 3261 §17.2.1)."""
    TIMER_2XX = auto()
    """The 2xx is due again (RFC 3261 §13.3.1.4)."""
    TIMER_RELIABLE = auto()
    """The reliable provisional response is due again (RFC 3262 §3)."""
    TIMER_PRACK = auto()
    """64*T1 have passed since it was sent first."""
    TIMER_CANCEL = auto()
    """64*T1 have passed since our CANCEL (RFC 3261 §9.1)."""


class Action(IntEnum):
    """Everything a transaction can do."""

    SEND = auto()
    """Transmit what is kept: the request of a client, the last response of a server, if there is one."""
    SEND_ACK = auto()
    """Render and transmit the ACK for a non-2xx final response, and keep it."""
    SEND_TRYING = auto()
    """Answer 100 Trying."""
    SEND_CANCEL = auto()
    """Send the CANCEL that was asked for, if one was, and wait 64*T1 for the final response."""
    DELIVER = auto()
    """Hand the message to the TU."""
    DELIVER_2XX = auto()
    """Hand a 2xx of a new To tag to the TU; answer a repeated one with the ACK remembered for it."""
    REPORT_CANCEL = auto()
    REPORT_ACK = auto()
    REPORT_ACK_MISSING = auto()
    REPORT_PRACK_MISSING = auto()
    REPORT_TIMEOUT = auto()
    REPORT_FAILURE = auto()
    SETTLE = auto()
    """The request needs no more retransmission: drop its copy, stop listening to transport errors."""
    LINGER = auto()
    """The TU will hear no more of it: let its request and context go when the TU has dealt with all events."""
    RELEASE = auto()
    """LINGER, and the response needs no more retransmission: drop its copy."""
    STOP_TIMER = auto()
    ARM_A = auto()
    REARM_A = auto()
    ARM_D = auto()
    ARM_E = auto()
    REARM_E = auto()
    SLOW_E = auto()
    ARM_G = auto()
    REARM_G = auto()
    ARM_I = auto()
    ARM_J = auto()
    ARM_LAPSE = auto()
    """Give the answer up after 64*T1, when the client has (RFC 4320 §4.2)."""
    ARM_K = auto()
    ARM_RELIABLE = auto()
    """Retransmit the reliable provisional response from T1 on, each interval twice the one before."""
    REARM_RELIABLE = auto()
    ARM_2XX = auto()
    """Retransmit the 2xx from T1 up to T2, until timer L."""
    REARM_2XX = auto()
    WAIT_L = auto()
    """Stop retransmitting the 2xx, let timer L run on."""
    ARM_M = auto()
    ARM_TRYING = auto()
    FORGET = auto()
    """The transaction is over: remove it from every index."""


Table: TypeAlias = Mapping[tuple[State, Input], tuple[State, tuple[Action, ...]]]
"""One machine."""

Deed = TypeVar("Deed")


def performed(table: Table, deeds: Mapping[Action, Deed]) -> dict[tuple[State, Input], tuple[State, tuple[Deed, ...]]]:
    """The machine with what performs an action in the place of its name."""
    return {pair: (state, tuple([deeds[action] for action in actions])) for pair, (state, actions) in table.items()}
