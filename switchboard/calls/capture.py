"""Voice messages: the caller speaks after the beep, the message is filed in its box, and its owner's phone is told."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from ivr_flows.actions import Message
from ivr_flows.events import Event
from ivr_flows.events import MessageDone as Captured
from media.events import MessageDone
from switchboard.calls.call import Call, Capture
from switchboard.calls.exchange import Exchange
from switchboard.calls.mailbox import erase_message, message_path
from switchboard.calls.message_waiting import tell_waiting
from switchboard.store.records import MessageRecord, RecordingRecord


def begin_message(x: Exchange, call: Call, action: Message, now: float) -> Event | None:
    """Take down what the caller says from now on."""
    if call.caller.lease is None or not x.mailboxes.has_room(action.box):
        return Captured(action.message_id, 0.0, "failed")
    identity = x.new_id()
    path = f"{message_path(identity)}.wav"
    call.capture = Capture(
        number=action.message_id, id=identity, path=path, box=action.box, min_seconds=action.min_seconds
    )
    x.media.message(
        call.caller.lease,
        action.message_id,
        str(Path(x.settings.recordings, path)),
        action.max_seconds,
        action.silence_seconds,
        action.terminators,
    )
    return None


def stop_message(x: Exchange, call: Call) -> None:
    """The flow waits no longer."""
    if call.caller.lease is not None:
        x.media.stop_record(call.caller.lease)


def message_ended(x: Exchange, call: Call, event: MessageDone, now: float) -> Event | None:
    """File a message that is long enough; what the flow is told, also when the caller has hung up."""
    capture = call.capture
    if capture is None or capture.number != event.message_id:
        return None
    call.capture = None
    if event.reason == "failed":
        # What there is of it may be worth a look, until it is too old to be kept.
        x.log("voicemail.failed", call_id=call.id, box=capture.box, message=capture.id)
    elif event.seconds >= max(capture.min_seconds, 0.001):
        _file(x, call, capture, event.seconds, now)
    else:
        # What is in no box would be kept for ever, known to nobody.
        erase_message(x, call, capture.id)
    return Captured(event.message_id, event.seconds, _REASONS.get(event.reason, "limit"))


def _file(x: Exchange, call: Call, capture: Capture, seconds: float, now: float) -> None:
    at_us = x.utc_us(now)
    record = call.record
    record.recordings.append(
        RecordingRecord(id=capture.id, path=capture.path, started_us=at_us, seconds=round(seconds, 3), kind="voicemail")
    )
    message = MessageRecord(
        id=capture.id,
        box=capture.box,
        path=capture.path,
        left_us=at_us,
        seconds=round(seconds, 3),
        call_id=call.id,
        caller_masked=record.caller_masked,
        caller_sealed=record.caller_sealed,
        caller_fingerprint=record.caller_fingerprint,
    )
    waiting = x.mailboxes.add(message)
    x.log("voicemail.left", call_id=call.id, box=capture.box, seconds=round(seconds, 1))
    tell_waiting(x, capture.box, waiting, now)


# What else the media plane tells, a hang-up or a stop, is for the flow an end like that of the longest message.
_REASONS: Final[dict[str, Literal["digit", "silence", "failed"]]] = {
    "digit": "digit",
    "silence": "silence",
    "failed": "failed",
}
