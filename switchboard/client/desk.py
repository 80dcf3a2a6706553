"""Agents, groups and their queues, over the API."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from routing.acd.model import Agent, ChosenState, Group
from switchboard.api.bodies import StateBody
from switchboard.api.types import (
    AgentSettings,
    AgentView,
    CallbackView,
    GroupSettings,
    GroupView,
    Page,
    QueueEntryView,
    SkillView,
)
from switchboard.client.session import Session


def segment(text: str) -> str:
    """A text as a part of a path."""
    return quote(text, safe="")


class Agents:
    """`/agents`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(
        self, *, group: str | None = None, state: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[AgentView]:
        """Agents in the order of their ids."""
        asked = {"group": group, "state": state, "cursor": cursor, "limit": limit}
        return await self._session.get("/agents", Page[AgentView], asked)

    async def get(self, agent: str) -> AgentView:
        """One agent now."""
        return await self._session.get(f"/agents/{segment(agent)}", AgentView)

    async def sign_in(self, agent: str) -> AgentView:
        """Begin to work."""
        return await self._session.post(f"/agents/{segment(agent)}/sign-in", AgentView)

    async def sign_out(self, agent: str, reason: str = "") -> AgentView:
        """Sign out; a call that is up goes on."""
        return await self._session.post(f"/agents/{segment(agent)}/sign-out", AgentView, {"reason": reason})

    async def set_state(
        self, agent: str, state: ChosenState, reason: str = "", lasts: float | None = None
    ) -> AgentView:
        """Choose a state."""
        body = StateBody(state=state, reason=reason, lasts=lasts)
        return await self._session.post(f"/agents/{segment(agent)}/state", AgentView, body)

    async def wrap_up_done(self, agent: str) -> AgentView:
        """The work after the call is done."""
        return await self._session.post(f"/agents/{segment(agent)}/wrap-up-done", AgentView)

    async def settings(self, agent: str) -> AgentSettings:
        """How an agent is set up."""
        return await self._session.get(f"/agents/{segment(agent)}/settings", AgentSettings)

    async def put(self, agent: Agent, version: int | None = None) -> AgentSettings:
        """Set an agent up, anew (`version` None) or as a change of that version; raises `ChangedError`."""
        path = f"/agents/{segment(agent.id)}/settings"
        answer = await self._session.request("PUT", path, body=agent, headers=condition(version))
        return msgspec.json.decode(answer.body, type=AgentSettings)

    async def delete(self, agent: str, version: int) -> None:
        """Remove an agent that was set up by the API."""
        path = f"/agents/{segment(agent)}/settings"
        await self._session.request("DELETE", path, headers=condition(version))


class Groups:
    """`/groups` and `/skills`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def all(self) -> list[GroupView]:
        """All groups, by name."""
        return (await self._session.get("/groups", Page[GroupView])).items

    async def get(self, name: str) -> GroupView:
        """One group now."""
        return await self._session.get(f"/groups/{segment(name)}", GroupView)

    async def queue(self, name: str, *, limit: int | None = None) -> Page[QueueEntryView]:
        """Who waits, in the order in which they are served."""
        return await self._session.get(f"/groups/{segment(name)}/queue", Page[QueueEntryView], {"limit": limit})

    async def settings(self, name: str) -> GroupSettings:
        """How a group is set up."""
        return await self._session.get(f"/groups/{segment(name)}/settings", GroupSettings)

    async def put(self, group: Group, version: int | None = None) -> GroupSettings:
        """Set a group up, anew or as a change of a version."""
        path = f"/groups/{segment(group.name)}/settings"
        answer = await self._session.request("PUT", path, body=group, headers=condition(version))
        return msgspec.json.decode(answer.body, type=GroupSettings)

    async def delete(self, name: str, version: int) -> None:
        """Remove a group that was set up by the API."""
        path = f"/groups/{segment(name)}/settings"
        await self._session.request("DELETE", path, headers=condition(version))

    async def skills(self) -> list[SkillView]:
        """All skills that anybody has."""
        return await self._session.get("/skills", list[SkillView])

    async def callbacks(
        self, *, group: str | None = None, everything: bool = False, cursor: str | None = None, limit: int | None = None
    ) -> Page[CallbackView]:
        """Requests to be called back, those that wait longest first."""
        asked = {"group": group, "all": everything or None, "cursor": cursor, "limit": limit}
        return await self._session.get("/callbacks", Page[CallbackView], asked)

    async def callback(self, callback: str) -> CallbackView:
        """One request, whatever became of it."""
        return await self._session.get(f"/callbacks/{segment(callback)}", CallbackView)

    async def withdraw_callback(self, callback: str) -> None:
        """Give up a callback."""
        await self._session.request("DELETE", f"/callbacks/{segment(callback)}")


def condition(version: int | None) -> dict[str, str]:
    """The precondition of a change: this version, or that there is none (RFC 9110 §13.1)."""
    return {"If-None-Match": "*"} if version is None else {"If-Match": f'"{version}"'}
