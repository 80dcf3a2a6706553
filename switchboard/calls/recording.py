"""Recording a call: by the number's rule or by its flow; a recorder that fails is never a reason for a call to end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from media.control import SECRET_REST
from media.events import Recorded
from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.news import RecordingNews
from switchboard.calls.reinvite import speak_ours
from switchboard.store.records import RecordingLength, RecordingRecord, encode_length
from switchboard.store.segments import Kind

MOST_TOLD: Final = 2000
"""Recordings whose length is remembered until they are ready."""


def command_recording(x: Exchange, call: Call, do: str, now: float) -> None:
    """Start, stop, pause or resume, as a flow's record node says."""
    lease = call.caller.lease
    if do == "start":
        start_recording(x, call, now)
    elif lease is not None and call.recording:
        if do == "stop":
            x.media.stop_record(lease)
            call.recording = ""
        else:
            x.media.pause_record(lease, do == "pause")


def start_recording(x: Exchange, call: Call, now: float) -> None:
    """Record what the caller says (left) and hears (right), unless it is being recorded or has not agreed."""
    if call.recording or call.caller.lease is None:
        return
    if call.record.consent == "declined" or (call.ask_consent and call.record.consent != "given"):
        return
    number = len(call.record.recordings) + 1
    at_us = x.utc_us(now)
    path = f"{_day(x, now)}/{call.id}-{number}.wav"
    call.recording = x.new_id()
    call.record.recordings.append(RecordingRecord(id=call.recording, path=path, started_us=at_us))
    peer = call.agent.lease if call.agent is not None else None
    speak_ours(x, call.legs, now)
    x.media.record(call.caller.lease, call.recording, str(Path(x.settings.recordings, path)), peer)


def consent(x: Exchange, call: Call, given: bool, now: float) -> None:
    """The caller has agreed to be recorded, or has not: then what records already ends."""
    call.record.consent = "given" if given else "declined"
    if not given:
        command_recording(x, call, "stop", now)


def talk_begins(x: Exchange, call: Call, now: float) -> None:
    """Both sides hear each other: record if a rule says so."""
    if call.record_talk:
        start_recording(x, call, now)


def conceal(x: Exchange, call: Call, on: bool, now: float) -> None:
    """Secret digits are being keyed, or no more but for those that follow at once."""
    if not on:
        call.caller.keys_until = now + SECRET_REST
    if call.caller.lease is not None:
        x.media.conceal(call.caller.lease, on)


def recorded(x: Exchange, call: Call, leg: Leg, event: Recorded) -> None:
    """A recording is complete, or there is none for the reason that the event tells."""
    if call.recording == event.recording_id:
        call.recording = ""
    for one in call.record.recordings:
        if one.id == event.recording_id:
            one.seconds = round(event.seconds, 3)
    if not event.reason:
        if len(x.lengths) >= MOST_TOLD:
            del x.lengths[next(iter(x.lengths))]
        x.lengths[event.recording_id] = round(event.seconds, 3)
    if event.reason:
        x.log("recording.failed", call_id=call.id, recording=event.recording_id, reason=event.reason)
    elif event.gaps:
        x.log("recording.gaps", call_id=call.id, recording=event.recording_id, gaps=event.gaps)


def recording_ready(x: Exchange, news: RecordingNews) -> None:
    """The file of a recording is complete: where its call's record was told otherwise, or nothing, it is corrected.

    The recorder may have answered late, or signalling was killed while it recorded.
    """
    if x.lengths.pop(news.recording, None) == news.seconds or news.kind != "call" or not news.recording:
        return
    call = x.calls.get(news.call)
    if call is None:
        length = RecordingLength(id=news.recording, seconds=news.seconds)
        x.journal.append(Kind.RECORDING, news.call, encode_length(length))
        return
    for one in call.record.recordings:
        if one.id == news.recording:
            one.seconds = news.seconds


def _day(x: Exchange, now: float) -> str:
    """The directory of the day, in the operator's zone."""
    return x.clock.local(now).date
