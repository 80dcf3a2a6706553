"""What people and their programs may ask of a call: the actions of the call bar, as plain data.

A place (`to`) is a text: `agent:ID`, `group:NAME`, `flow:NAME`, `number:DIGITS` (by the outbound trunk),
`extension:NUMBER,EXT` (through the mask), `aor:USER`. `call` is a call's id. The operations are in `calls.control`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Mode = Literal["listen", "whisper", "barge"]


class Actor(msgspec.Struct, frozen=True):
    """Who asks: `id` for the audit log, `agent` whose leg is meant ("" for nobody's), and the role."""

    id: str
    agent: str = ""
    role: Literal["agent", "supervisor", "admin", "system"] = "agent"


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    call: str = ""


class Hold(_Command, tag="hold", frozen=True):
    """The other party hears music until Resume."""


class Resume(_Command, tag="resume", frozen=True):
    """Resume a call on hold."""


class Mute(_Command, tag="mute", frozen=True):
    """Mute the agent, or no longer."""

    on: bool = True


class SendDigits(_Command, tag="send_digits", frozen=True):
    """Keys sent to the other party (RFC 4733)."""

    digits: str


class Transfer(_Command, tag="transfer", frozen=True):
    """Hand the caller on; to an agent the transferring one leaves when the target answers, else at once.

    `blind` leaves at once whatever the target.
    """

    to: str
    blind: bool = False


class CancelTransfer(_Command, tag="cancel_transfer", frozen=True):
    """Cancel a transfer whose target is still ringing."""


class Consult(_Command, tag="consult", frozen=True):
    """Consult somebody while the caller hears music."""

    to: str


class Complete(_Command, tag="complete", frozen=True):
    """Transfer the caller to the party consulted and leave."""


class Back(_Command, tag="back", frozen=True):
    """End the consultation and go back to the caller."""


class Merge(_Command, tag="merge", frozen=True):
    """Join caller, agent and the party consulted."""


class Add(_Command, tag="add", frozen=True):
    """Add a party to the conference."""

    to: str


class Drop(_Command, tag="drop", frozen=True):
    """Take a party, by the id of its leg, out of the conference."""

    leg: str


class Supervise(_Command, tag="supervise", frozen=True):
    """A supervisor's phone joins: hears all; `whisper` is heard by the agent alone, `barge` by everybody."""

    mode: Mode = "listen"
    supervisor: str = ""
    """The agent id whose phone is called; "" for the actor's own."""


class StopSupervising(_Command, tag="stop_supervising", frozen=True):
    """The supervisor leaves."""

    supervisor: str = ""


class Park(_Command, tag="park", frozen=True):
    """The caller waits with music in a slot, anybody may take the call; "" for the first free slot."""

    slot: str = ""


class Unpark(_Command, tag="unpark", frozen=True):
    """The actor's phone takes the parked call, which is named by `call` or by `slot` alone."""

    slot: str = ""


class Pick(_Command, tag="pick", frozen=True):
    """Take one who waits out of turn; `agent` "" for the actor."""

    agent: str = ""


class ToSurvey(_Command, tag="survey", frozen=True):
    """The agent leaves, a survey flow takes the caller; "" for the flow that is configured."""

    flow: str = ""


class InviteRating(_Command, tag="rate", frozen=True):
    """When the agent hangs up the caller is asked for a rating."""

    flow: str = ""


class HangUp(_Command, tag="hang_up", frozen=True):
    """End the actor's part; of a supervisor or system: the call."""


class Dial(_Command, tag="dial", frozen=True):
    """Click to call: the actor's phone first, then `to`, who sees `shown` ("" for the configured X number)."""

    to: str
    agent: str = ""
    shown: str = ""


class Verified(_Command, tag="verified", frozen=True):
    """The agent has verified the caller by hand."""

    method: str = "by_hand"
    subject: str = ""


class RecordTalk(_Command, tag="record", frozen=True):
    """Start, stop, pause or resume the recording."""

    do: Literal["start", "stop", "pause", "resume"]


Command: TypeAlias = (
    Hold | Resume | Mute | SendDigits | Transfer | CancelTransfer | Consult | Complete | Back | Merge | Add | Drop
    | Supervise | StopSupervising | Park | Unpark | Pick | ToSurvey | InviteRating | HangUp | Dial | Verified
    | RecordTalk
)  # fmt: skip

Fault = Literal[
    "no_call", "not_yours", "wrong_state", "no_target", "busy", "unreachable", "congestion", "forbidden", "invalid"
]  # fmt: skip


class CommandError(Exception):
    """A command that cannot be carried out; nothing has changed. `detail` says what to do, without numbers."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail


class Done(msgspec.Struct, frozen=True):
    """A command was begun: `call` is the call it concerns (a new one for Dial), `leg` a leg it made."""

    call: str
    leg: str = ""
    slot: str = ""
