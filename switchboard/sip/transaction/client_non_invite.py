"""Non-INVITE client transaction: RFC 3261 Figure 6."""

from __future__ import annotations

from typing import Final

from switchboard.sip.transaction.table import Action as Do
from switchboard.sip.transaction.table import Input, State, Table

TRANSITIONS: Final[Table] = {
    (State.TRYING, Input.START): (State.TRYING, (Do.SEND, Do.ARM_E)),
    (State.TRYING, Input.TIMER_E): (State.TRYING, (Do.SEND, Do.REARM_E)),
    (State.TRYING, Input.TIMER_F): (State.TERMINATED, (Do.SETTLE, Do.FORGET, Do.REPORT_TIMEOUT)),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, (Do.STOP_TIMER, Do.SETTLE, Do.FORGET, Do.REPORT_FAILURE)),
    (State.TRYING, Input.RECEIVE_1XX): (State.PROCEEDING, (Do.DELIVER,)),
    (State.TRYING, Input.RECEIVE_FINAL): (State.COMPLETED, (Do.SETTLE, Do.ARM_K, Do.DELIVER, Do.LINGER)),
    (State.PROCEEDING, Input.TIMER_E): (State.PROCEEDING, (Do.SEND, Do.SLOW_E)),
    (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, (Do.SETTLE, Do.FORGET, Do.REPORT_TIMEOUT)),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (
        State.TERMINATED,
        (Do.STOP_TIMER, Do.SETTLE, Do.FORGET, Do.REPORT_FAILURE),
    ),
    (State.PROCEEDING, Input.RECEIVE_1XX): (State.PROCEEDING, (Do.DELIVER,)),
    (State.PROCEEDING, Input.RECEIVE_FINAL): (State.COMPLETED, (Do.SETTLE, Do.ARM_K, Do.DELIVER, Do.LINGER)),
    (State.COMPLETED, Input.TIMER_K): (State.TERMINATED, (Do.FORGET,)),
}
