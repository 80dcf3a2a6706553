"""Non-INVITE server transaction: RFC 3261 Figure 8 without Proceeding.

RFC 4320 §4.1 forbids provisional responses to non-INVITE requests, but for a late 100 that this core never
sends: the TU answers from memory. After 64*T1 the client has given up (timer F), so a request still unanswered
is forgotten and an answer that comes later is not sent (RFC 4320 §4.2).
"""

from __future__ import annotations

from typing import Final

from switchboard.sip.transaction.table import Action as Do
from switchboard.sip.transaction.table import Input, State, Table

TRANSITIONS: Final[Table] = {
    (State.TRYING, Input.START): (State.TRYING, (Do.ARM_LAPSE, Do.DELIVER)),
    (State.TRYING, Input.TIMER_J): (State.TERMINATED, (Do.FORGET,)),
    (State.TRYING, Input.SEND_FINAL): (State.COMPLETED, (Do.SEND, Do.LINGER, Do.ARM_J)),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Do.SEND,)),
    (State.COMPLETED, Input.TIMER_J): (State.TERMINATED, (Do.FORGET,)),
    (State.TERMINATED, Input.SEND_FINAL): (State.TERMINATED, ()),
}
