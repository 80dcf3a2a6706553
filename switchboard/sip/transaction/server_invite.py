"""INVITE server transaction: RFC 3261 Figure 7 with the Accepted state of RFC 6026 §7.1.

The retransmission of the 2xx, which RFC 3261 §13.3.1.4 gives to the TU, is done here. Its end is the state
Acknowledged: Accepted with the ACK in. A repeated INVITE in Accepted is answered with the 2xx: it was lost.
Timer H ends the transaction silently: the TU has ended that call with its own final response.
"""

from __future__ import annotations

from typing import Final

from switchboard.sip.transaction.table import Action as Do
from switchboard.sip.transaction.table import Input, State, Table

TRANSITIONS: Final[Table] = {
    (State.PROCEEDING, Input.START): (State.PROCEEDING, (Do.ARM_TRYING, Do.DELIVER)),
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Do.SEND,)),
    (State.PROCEEDING, Input.TIMER_TRYING): (State.PROCEEDING, (Do.SEND_TRYING,)),
    (State.PROCEEDING, Input.CANCEL): (State.PROCEEDING, (Do.REPORT_CANCEL,)),
    (State.PROCEEDING, Input.SEND_1XX): (State.PROCEEDING, (Do.STOP_TIMER, Do.SEND)),
    (State.PROCEEDING, Input.SEND_RELIABLE): (State.PROCEEDING, (Do.SEND, Do.ARM_RELIABLE)),
    (State.PROCEEDING, Input.TIMER_RELIABLE): (State.PROCEEDING, (Do.SEND, Do.REARM_RELIABLE)),
    (State.PROCEEDING, Input.TIMER_PRACK): (State.PROCEEDING, (Do.REPORT_PRACK_MISSING,)),
    (State.PROCEEDING, Input.PRACK): (State.PROCEEDING, (Do.STOP_TIMER,)),
    (State.PROCEEDING, Input.SEND_2XX): (State.ACCEPTED, (Do.SEND, Do.ARM_2XX)),
    (State.PROCEEDING, Input.SEND_FINAL): (State.COMPLETED, (Do.SEND, Do.LINGER, Do.ARM_G)),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Do.SEND,)),
    (State.COMPLETED, Input.TIMER_G): (State.COMPLETED, (Do.SEND, Do.REARM_G)),
    (State.COMPLETED, Input.TIMER_H): (State.TERMINATED, (Do.FORGET,)),
    (State.COMPLETED, Input.ACK): (State.CONFIRMED, (Do.RELEASE, Do.ARM_I)),
    (State.CONFIRMED, Input.TIMER_I): (State.TERMINATED, (Do.FORGET,)),
    (State.ACCEPTED, Input.REQUEST): (State.ACCEPTED, (Do.SEND,)),
    (State.ACCEPTED, Input.TIMER_2XX): (State.ACCEPTED, (Do.SEND, Do.REARM_2XX)),
    (State.ACCEPTED, Input.ACK_2XX): (State.ACKNOWLEDGED, (Do.RELEASE, Do.WAIT_L, Do.REPORT_ACK)),
    (State.ACCEPTED, Input.TIMER_L): (State.TERMINATED, (Do.FORGET, Do.REPORT_ACK_MISSING)),
    (State.ACKNOWLEDGED, Input.TIMER_L): (State.TERMINATED, (Do.FORGET,)),
}
