"""Recordings and voice messages: listed, heard, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from litestar import delete, get, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from media.recording_files import find
from switchboard.api.audio import RangeHeader, send_file
from switchboard.api.bodies import MessageBody
from switchboard.api.cursor import DEFAULT_LIMIT, Cursor, Limit, read_cursor, write_cursor
from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.types import MessageView, Page, RecordingView
from switchboard.api.views import message_view, microseconds, recording_view
from switchboard.archive.deleting import Deletion, erase_message, erase_recording
from switchboard.store.recordings import Recording, RecordingFilter, RecordingRepository
from switchboard.store.records import MessageState
from switchboard.store.voicemail import Message

WAV: Final = "audio/wav"


@get("/recordings", tags=["recordings"])
async def list_recordings(
    parts: Wired,
    call: Annotated[str | None, QueryParameter(description="Those of one call.")] = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[RecordingView]:
    """Recordings, newest first; `there` is false once the file was deleted."""
    wanted = RecordingFilter(
        call,
        microseconds(since),
        microseconds(until),
    )
    after = read_cursor(cursor, tuple[int, str])

    def read() -> Page[RecordingView]:
        parts.store.loader.catch_up()
        found = RecordingRepository(parts.store.database).page(wanted, limit + 1, after)
        items = [recording_view(one.call_id, one.record, parts.recordings) for one in found[:limit]]
        last = found[limit - 1].record if len(found) > limit else None
        return Page(items=items, next=None if last is None else write_cursor((last.started_us, last.id)))

    return await asyncio.to_thread(read)


@get("/recordings/{recording:str}", tags=["recordings"])
async def get_recording(parts: Wired, recording: FromPath[str]) -> RecordingView:
    """One recording."""

    def read() -> RecordingView:
        found = _recording(parts, recording)
        return recording_view(found.call_id, found.record, parts.recordings)

    return await asyncio.to_thread(read)


@get("/recordings/{recording:str}/audio", tags=["recordings"], media_type=WAV)
async def hear_recording(
    request: ApiRequest, parts: Wired, principal: Caller, recording: FromPath[str], asked: RangeHeader = None
) -> Stream:
    """The audio: a wav file, in stereo the caller left and the agent right. Who hears it is logged."""
    found = await asyncio.to_thread(_recording, parts, recording)
    answer = await send_file(parts.recordings, found.record.path, asked, found.record.id, _keys(parts))
    await parts.note(request, principal, "recording.heard", found.record.id, "ok", f"call {found.call_id}")
    return answer


@delete("/recordings/{recording:str}", tags=["recordings"])
async def delete_recording(
    request: ApiRequest,
    parts: Wired,
    principal: Caller,
    recording: FromPath[str],
    reason: Annotated[str, QueryParameter(min_length=3, max_length=500, description="Why, for the log.")],
) -> None:
    """Delete the audio for good; the record of the call stays, and tells when it was deleted."""
    found = await asyncio.to_thread(_recording, parts, recording)
    await parts.note(request, principal, "recording.deleted", found.record.id, "ok", reason)
    at_us = round(parts.services.utc() * 1e6)
    await asyncio.to_thread(_delete, parts.recordings, found.record.path, Deletion(at_us, principal.name, reason))


@get("/voicemail", tags=["voicemail"])
async def list_messages(
    parts: Wired,
    principal: Caller,
    box: FromQuery[str | None] = None,
    message_state: Annotated[Literal["new", "heard"] | None, QueryParameter(name="state")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[MessageView]:
    """Messages, newest first. Agents see their own box, that of their phone and those of their groups."""
    boxes = boxes_of(parts, principal)
    if box is not None:
        if boxes is not None and box not in boxes:
            raise ApiError("not-yours", "This box belongs to others.")
        boxes = {box}
    after = read_cursor(cursor, tuple[int, str])

    def read() -> Page[MessageView]:
        parts.store.loader.catch_up()
        found = parts.store.voicemail.messages.page(boxes, state=message_state, after=after, limit=limit + 1)
        last = found[limit - 1].record if len(found) > limit else None
        following = None if last is None else write_cursor((last.left_us, last.id))
        return Page(items=[message_view(one) for one in found[:limit]], next=following)

    return await asyncio.to_thread(read)


@get("/voicemail/{message:str}", tags=["voicemail"])
async def get_message(parts: Wired, principal: Caller, message: FromPath[str]) -> MessageView:
    """One message."""
    return message_view(await asyncio.to_thread(_message, parts, principal, message))


@get("/voicemail/{message:str}/audio", tags=["voicemail"], media_type=WAV)
async def hear_message(
    request: ApiRequest, parts: Wired, principal: Caller, message: FromPath[str], asked: RangeHeader = None
) -> Stream:
    """The audio of a message. It stays new until it is marked as heard."""
    found = await asyncio.to_thread(_message, parts, principal, message)
    answer = await send_file(parts.recordings, found.record.path, asked, found.record.id, _keys(parts))
    await parts.note(request, principal, "voicemail.heard", found.record.id, "ok", f"box {found.record.box}")
    return answer


@put("/voicemail/{message:str}/state", tags=["voicemail"])
async def mark_message(
    parts: Wired, principal: Caller, message: FromPath[str], data: JSONBody[MessageBody]
) -> MessageView:
    """A message was heard, or is to be new again; the lamps of its box follow."""
    found = await asyncio.to_thread(_message, parts, principal, message)
    await _mark(parts, principal, found, data.state)
    return message_view(await asyncio.to_thread(_message, parts, principal, message))


@delete("/voicemail/{message:str}", tags=["voicemail"])
async def delete_message(request: ApiRequest, parts: Wired, principal: Caller, message: FromPath[str]) -> None:
    """Delete a message: its audio, and who left it, are gone for good."""
    found = await asyncio.to_thread(_message, parts, principal, message)
    await parts.note(request, principal, "voicemail.deleted", found.record.id, "ok", f"box {found.record.box}")
    await asyncio.to_thread(erase_message, parts.recordings, parts.recordings / found.record.path)
    await _mark(parts, principal, found, "deleted")


def boxes_of(parts: Parts, principal: Principal) -> Collection[str] | None:
    """The boxes somebody may open; None for all."""
    if principal.role != "agent":
        return None
    agent = parts.desk.agents.get(principal.agent)
    if agent is None:
        return {principal.agent} if principal.agent else ()
    phone = agent.phone.partition(":")[2].partition("@")[0]
    return {agent.id, phone, *agent.groups}


def _recording(parts: Parts, recording: str) -> Recording:
    recordings = RecordingRepository(parts.store.database)
    found = recordings.get(recording)
    if found is None:
        parts.store.loader.catch_up()
        found = recordings.get(recording)
    if found is None:
        raise ApiError("not-found", "There is no such recording.")
    return found


def _message(parts: Parts, principal: Principal, message: str) -> Message:
    # Left, heard or deleted by telephone a moment ago.
    parts.store.loader.catch_up()
    found = [one for one in parts.store.voicemail.messages.find(message, 2) if one.record.id == message]
    if not found or found[0].state == "deleted":
        raise ApiError("not-found", "There is no such message.")
    boxes = boxes_of(parts, principal)
    if boxes is not None and found[0].record.box not in boxes:
        raise ApiError("not-yours", "This box belongs to others.")
    return found[0]


async def _mark(parts: Parts, principal: Principal, message: Message, state: MessageState) -> None:
    record, at_us = message.record, round(parts.services.utc() * 1e6)
    voicemail = parts.store.voicemail
    if parts.services.in_calls(lambda now: voicemail.mark(record.id, state, at_us, principal.name)):
        parts.light_lamp(record.box)


def _keys(parts: Parts) -> Path:
    return parts.store.directory / "keys"


def _delete(directory: Path, path: str, deletion: Deletion) -> None:
    file = directory / path
    if find(file) is not None and file.resolve().is_relative_to(directory.resolve()):
        erase_recording(file, deletion)


audio: Final = (
    list_recordings, get_recording, hear_recording, delete_recording,
    list_messages, get_message, hear_message, mark_message, delete_message,
)  # fmt: skip
