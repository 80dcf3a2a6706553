"""What a flow asks of the call."""

from __future__ import annotations

from typing import Literal

import msgspec

Cause = Literal["normal", "busy", "no_answer", "unregistered", "unknown", "rejected", "failed"]
RecordDo = Literal["start", "stop", "pause", "resume"]


class Speech(msgspec.Struct, frozen=True, tag="speech", gc=False):
    """Words to be spoken; numbers, dates and amounts are written out already."""

    text: str
    language: str


class Answer(msgspec.Struct, frozen=True, tag="answer", gc=False):
    """Answer the caller's leg."""


class Play(msgspec.Struct, frozen=True, tag="play", gc=False):
    """Play prompts to the caller, in place of what plays now.

    `play_id` counts the flow's plays from 1 and comes back in `PlayDone`: the late end of a replaced prompt is
    not taken for the end of this one.
    """

    prompts: tuple[str | Speech, ...]
    loop: bool = False
    play_id: int = 1


class StopPlay(msgspec.Struct, frozen=True, tag="stop_play", gc=False):
    """Stop what plays now."""


class Transfer(msgspec.Struct, frozen=True, tag="transfer", gc=False):
    """Connect the caller to the party behind a number and extension, or to a target given in full."""

    number: str | None = None
    extension: str | None = None
    target: str | None = None
    ringback: str = ""
    ring_timeout: float = 30.0


class Queue(msgspec.Struct, frozen=True, tag="queue", gc=False):
    """Put the caller into a group's queue; `QueueEnded` tells what became of it."""

    group: str
    priority: int = 0
    """Higher goes first."""
    music: tuple[str | Speech, ...] = ()
    """To be played in a loop while waiting."""
    max_wait: float = 600.0
    skills: str = ""
    """What the agent must know, and how that relaxes: `en>=3 then any after 60s`."""
    vip: int = 0
    preferred: str = ""
    """The agent who is waited for first."""
    callback_key: str = ""
    """The key by which the caller asks to be called back; "" for none."""


class Http(msgspec.Struct, frozen=True, tag="http", gc=False):
    """Ask a backend; `HttpDone` with the same id brings its answer.

    `timeout` is for everything, `retries` included, which are made for idempotent methods only.
    """

    request_id: int
    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes | None = None
    timeout: float = 3.0
    retries: int = 0

    def __repr__(self) -> str:
        return f"Http({self.request_id}, {self.method!r})"  # an entry or a number may be in all the rest


class Record(msgspec.Struct, frozen=True, tag="record", gc=False):
    """Start, stop, pause or resume the recording of the call."""

    do: RecordDo


class Conceal(msgspec.Struct, frozen=True, tag="conceal", gc=False):
    """Keys that are secret are awaited, from now on or no longer: meanwhile recordings hold silence."""

    on: bool


class Message(msgspec.Struct, frozen=True, tag="message", gc=False):
    """Record what the caller says for a mailbox; the greeting and the beep have been played."""

    box: str
    max_seconds: float
    min_seconds: float
    silence_seconds: float
    terminators: str
    message_id: int


class StopMessage(msgspec.Struct, frozen=True, tag="stop_message", gc=False):
    """End the message that is being recorded."""


class Mailbox(msgspec.Struct, frozen=True, tag="mailbox", gc=False):
    """Open a mailbox, go to a message of it, or have the current one kept or deleted.

    All but "heard", which is not answered, are answered by `MailboxDone` with the same number.
    """

    do: Literal["open", "next", "previous", "again", "save", "delete", "heard"]
    request_id: int = 0
    box: str = ""
    """Empty: that of the calling phone's account."""
    pin: str = ""

    def __repr__(self) -> str:
        return f"Mailbox({self.do!r}, {self.request_id}, {self.box!r})"


class Callback(msgspec.Struct, frozen=True, tag="callback", gc=False):
    """Ask for the caller to be called back; `number` is in clear."""

    request_id: int
    number: str
    group: str = ""

    def __repr__(self) -> str:
        return f"Callback({self.request_id}, group={self.group!r})"


class Refuse(msgspec.Struct, frozen=True, tag="refuse", gc=False):
    """The caller wants to be called back no more by those behind the number that was dialled, or again."""

    withdrawn: bool = False


class Consent(msgspec.Struct, frozen=True, tag="consent", gc=False):
    """The caller has agreed, or not."""

    given: bool


class Hangup(msgspec.Struct, frozen=True, tag="hangup", gc=False):
    """End the call; nothing follows."""

    cause: Cause = "normal"


Action = (
    Answer
    | Play
    | StopPlay
    | Transfer
    | Queue
    | Http
    | Record
    | Conceal
    | Message
    | StopMessage
    | Mailbox
    | Callback
    | Consent
    | Refuse
    | Hangup
)
