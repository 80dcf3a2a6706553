"""Recordings, voice messages, accounts and the audit log, over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from switchboard.api.bodies import UserBody, UserChange
from switchboard.api.types import AuditView, MessageView, NewUser, Page, RecordingView, Role, StatusView, UserView
from switchboard.client.desk import condition, segment
from switchboard.client.session import Session


class Recordings:
    """`/recordings`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(
        self, *, call: str | None = None, since: datetime | None = None, until: datetime | None = None,
        cursor: str | None = None, limit: int | None = None,
    ) -> Page[RecordingView]:  # fmt: skip
        """Recordings, newest first."""
        asked = {
            "call": call,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "cursor": cursor,
            "limit": limit,
        }
        return await self._session.get("/recordings", Page[RecordingView], asked)

    async def get(self, recording: str) -> RecordingView:
        """One recording."""
        return await self._session.get(f"/recordings/{segment(recording)}", RecordingView)

    async def audio(self, recording: str, first: int | None = None, last: int | None = None) -> bytes:
        """The wav file, or the octets from `first` to `last` of it."""
        headers = {} if first is None else {"Range": f"bytes={first}-{'' if last is None else last}"}
        return (await self._session.request("GET", f"/recordings/{segment(recording)}/audio", headers=headers)).body

    async def delete(self, recording: str, reason: str) -> None:
        """Delete the audio for good; the record of the call stays."""
        await self._session.request("DELETE", f"/recordings/{segment(recording)}", parameters={"reason": reason})


class Voicemail:
    """`/voicemail`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(
        self, *, box: str | None = None, state: Literal["new", "heard"] | None = None, cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[MessageView]:  # fmt: skip
        """Messages, newest first."""
        asked = {"box": box, "state": state, "cursor": cursor, "limit": limit}
        return await self._session.get("/voicemail", Page[MessageView], asked)

    async def get(self, message: str) -> MessageView:
        """One message."""
        return await self._session.get(f"/voicemail/{segment(message)}", MessageView)

    async def audio(self, message: str) -> bytes:
        """The wav file."""
        return (await self._session.request("GET", f"/voicemail/{segment(message)}/audio")).body

    async def mark(self, message: str, state: Literal["new", "heard"]) -> MessageView:
        """A message was heard, or is to be new again."""
        answer = await self._session.request("PUT", f"/voicemail/{segment(message)}/state", body={"state": state})
        return msgspec.json.decode(answer.body, type=MessageView)

    async def delete(self, message: str) -> None:
        """Delete it: its audio and who left it are gone for good."""
        await self._session.request("DELETE", f"/voicemail/{segment(message)}")


class Administration:
    """`/users`, `/audit` and `/status`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def users(self, *, role: Role | None = None, cursor: str | None = None) -> Page[UserView]:
        """Accounts, by name."""
        return await self._session.get("/users", Page[UserView], {"role": role, "cursor": cursor})

    async def add_user(self, name: str, role: Role, agent: str = "") -> NewUser:
        """A new account; the answer has its one-time password."""
        return await self._session.post("/users", NewUser, UserBody(name=name, role=role, agent=agent))

    async def user(self, name: str) -> UserView:
        """One account."""
        return await self._session.get(f"/users/{segment(name)}", UserView)

    async def change_user(self, name: str, change: UserChange, version: int) -> UserView:
        """Change an account."""
        body = {key: value for key, value in msgspec.to_builtins(change).items() if value is not None}
        answer = await self._session.request("PATCH", f"/users/{segment(name)}", body=body, headers=condition(version))
        return msgspec.json.decode(answer.body, type=UserView)

    async def new_password(self, name: str) -> NewUser:
        """A new one-time password; all sessions of the account end."""
        return await self._session.post(f"/users/{segment(name)}/password", NewUser)

    async def delete_user(self, name: str) -> None:
        """Remove an account."""
        await self._session.request("DELETE", f"/users/{segment(name)}")

    async def audit(
        self, *, who: str | None = None, action: str | None = None, subject: str | None = None,
        cursor: str | None = None, limit: int | None = None,
    ) -> Page[AuditView]:  # fmt: skip
        """The audit log, newest first; an action may end with `*`."""
        asked = {"who": who, "action": action, "subject": subject, "cursor": cursor, "limit": limit}
        return await self._session.get("/audit", Page[AuditView], asked)

    async def status(self) -> StatusView:
        """How the switch does."""
        return await self._session.get("/status", StatusView)
