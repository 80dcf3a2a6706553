"""What happens to a flow."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal[
    "completed",
    "unknown",
    "expired",
    "disabled",
    "quarantine",
    "direction",
    "busy",
    "no_answer",
    "unregistered",
    "failed",
]
QueueOutcome = Literal["completed", "empty", "full", "timeout", "closed", "estimate", "callback", "failed"]
HttpError = Literal["", "timeout", "unreachable", "invalid", "too_large", "busy"]


class PlayDone(msgspec.Struct, frozen=True, tag="play_done", gc=False):
    """The prompts of the `Play` with this id have ended, or could not be played."""

    play_id: int


class Digit(msgspec.Struct, frozen=True, tag="digit", gc=False):
    """The caller pressed a key."""

    digit: str

    def __repr__(self) -> str:
        return "Digit()"  # it may be one of a secret entry


class TimerDue(msgspec.Struct, frozen=True, tag="timer_due", gc=False):
    """The position's deadline may have come; an early one is ignored."""


class TransferEnded(msgspec.Struct, frozen=True, tag="transfer_ended", gc=False):
    """The party could not be reached, or has left after talking ("completed").

    `binding` are `store`, `city` and `label` of the hidden number that was called, as far as it has them.
    """

    outcome: Outcome
    binding: dict[str, str] = {}


class QueueEnded(msgspec.Struct, frozen=True, tag="queue_ended", gc=False):
    """The caller left the queue: after talking ("completed"), or without having reached anybody."""

    outcome: QueueOutcome


class HttpDone(msgspec.Struct, frozen=True, tag="http_done"):
    """A backend has answered, or not.

    `status` is 0 when there was no answer; `body` is what the JSON says. `error` "invalid" is an answer that is
    no JSON, "busy" a request that was not made because too many are under way.
    """

    request_id: int
    status: int = 0
    body: object = None
    error: HttpError = ""

    def __repr__(self) -> str:
        return f"HttpDone({self.request_id}, {self.status}, error={self.error!r})"


class MessageDone(msgspec.Struct, frozen=True, tag="message_done", gc=False):
    """A message for a mailbox is complete."""

    message_id: int
    seconds: float = 0.0
    reason: Literal["digit", "silence", "limit", "failed"] = "silence"


class MailboxDone(msgspec.Struct, frozen=True, tag="mailbox_done", gc=False):
    """A mailbox is open or not, a message is there or not; `sound` is what plays it, `number` its place."""

    request_id: int
    found: bool = False
    refused: bool = False
    new: int = 0
    heard: int = 0
    sound: str = ""
    number: int = 0


class CallbackTaken(msgspec.Struct, frozen=True, tag="callback_taken", gc=False):
    """The wish to be called back is kept, or refused."""

    request_id: int
    accepted: bool


class CallerGone(msgspec.Struct, frozen=True, tag="caller_gone", gc=False):
    """The caller has hung up."""


Event = (
    PlayDone
    | Digit
    | TimerDue
    | TransferEnded
    | QueueEnded
    | HttpDone
    | MessageDone
    | MailboxDone
    | CallbackTaken
    | CallerGone
)
