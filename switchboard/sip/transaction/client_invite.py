"""INVITE client transaction: RFC 3261 Figure 5 with the Accepted state of RFC 6026 §7.2.

Beyond the figure: a CANCEL waits in Calling for the first provisional response (RFC 3261 §9.1), and in
Proceeding it starts a time-out of 64*T1. A browser whose WebSocket ends in Proceeding has forgotten that it rang. A
transport error of the ACK is of no use to a TU that has its final
response, so it is ignored in Completed.
"""

from __future__ import annotations

from typing import Final

from switchboard.sip.transaction.table import Action as Do
from switchboard.sip.transaction.table import Input, State, Table

TRANSITIONS: Final[Table] = {
    (State.CALLING, Input.START): (State.CALLING, (Do.SEND, Do.ARM_A)),
    (State.CALLING, Input.TIMER_A): (State.CALLING, (Do.SEND, Do.REARM_A)),
    (State.CALLING, Input.TIMER_B): (State.TERMINATED, (Do.SETTLE, Do.FORGET, Do.REPORT_TIMEOUT)),
    (State.CALLING, Input.TRANSPORT_ERROR): (
        State.TERMINATED,
        (Do.STOP_TIMER, Do.SETTLE, Do.FORGET, Do.REPORT_FAILURE),
    ),
    (State.CALLING, Input.CANCEL): (State.CALLING, ()),
    (State.CALLING, Input.RECEIVE_1XX): (
        State.PROCEEDING,
        (Do.STOP_TIMER, Do.SETTLE, Do.DELIVER, Do.SEND_CANCEL),
    ),
    (State.CALLING, Input.RECEIVE_2XX): (State.ACCEPTED, (Do.SETTLE, Do.ARM_M, Do.DELIVER_2XX)),
    (State.CALLING, Input.RECEIVE_FINAL): (
        State.COMPLETED,
        (Do.SETTLE, Do.SEND_ACK, Do.ARM_D, Do.DELIVER, Do.LINGER),
    ),
    (State.PROCEEDING, Input.CANCEL): (State.PROCEEDING, (Do.SEND_CANCEL,)),
    (State.PROCEEDING, Input.TIMER_CANCEL): (State.TERMINATED, (Do.SETTLE, Do.FORGET, Do.REPORT_TIMEOUT)),
    (State.PROCEEDING, Input.FLOW_LOST): (State.TERMINATED, (Do.STOP_TIMER, Do.SETTLE, Do.FORGET, Do.REPORT_FAILURE)),
    (State.PROCEEDING, Input.RECEIVE_1XX): (State.PROCEEDING, (Do.DELIVER,)),
    (State.PROCEEDING, Input.RECEIVE_2XX): (State.ACCEPTED, (Do.SETTLE, Do.ARM_M, Do.DELIVER_2XX)),
    (State.PROCEEDING, Input.RECEIVE_FINAL): (
        State.COMPLETED,
        (Do.SETTLE, Do.SEND_ACK, Do.ARM_D, Do.DELIVER, Do.LINGER),
    ),
    (State.COMPLETED, Input.RECEIVE_FINAL): (State.COMPLETED, (Do.SEND,)),
    (State.COMPLETED, Input.TIMER_D): (State.TERMINATED, (Do.FORGET,)),
    (State.ACCEPTED, Input.RECEIVE_2XX): (State.ACCEPTED, (Do.DELIVER_2XX,)),
    (State.ACCEPTED, Input.TIMER_M): (State.TERMINATED, (Do.FORGET,)),
}
