"""Agents: who there is, what they do, and how they are set up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Final

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from routing.acd.model import Agent, State
from switchboard.api.bodies import SignOutBody, StateBody
from switchboard.api.cursor import DEFAULT_LIMIT, Cursor, Limit, read_cursor, write_cursor
from switchboard.api.desk_checks import agent_faults
from switchboard.api.desk_views import agent_view, skill_views
from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.types import AgentSettings, AgentView, Page, SkillView
from switchboard.api.versions import IfMatch, IfNoneMatch, etag, expected_version
from switchboard.store.desk_config import ABSENT, VersionError


@get("/agents", sync_to_thread=False, tags=["agents"])
def list_agents(
    parts: Wired,
    principal: Caller,
    group: Annotated[str | None, QueryParameter(description="Those of a group.")] = None,
    agent_state: Annotated[State | None, QueryParameter(name="state")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AgentView]:
    """Agents in the order of their ids. Agents see of others name, state and groups."""
    after = read_cursor(cursor, str) or ""

    def read(now: float) -> Page[AgentView]:
        statuses = parts.engine.agents
        found = []
        for agent_id in sorted(known for known in statuses if known > after):
            status = statuses[agent_id]
            if group in (None, *status.groups) and agent_state in (None, status.state):
                found.append(_view(parts, principal, agent_id))
                if len(found) > limit:
                    break
        return Page(items=found[:limit], next=write_cursor(found[limit - 1].id) if len(found) > limit else None)

    return parts.services.in_calls(read)


@get("/agents/{agent:str}", sync_to_thread=False, tags=["agents"])
def get_agent(parts: Wired, principal: Caller, agent: FromPath[str]) -> AgentView:
    """One agent now."""
    return parts.services.in_calls(lambda now: _view(parts, principal, agent))


@post("/agents/{agent:str}/sign-in", status_code=200, tags=["agents"])
async def sign_in(request: ApiRequest, parts: Wired, principal: Caller, agent: FromPath[str]) -> AgentView:
    """Sign in. Agents do so themselves, supervisors for anybody; for who is signed in it changes nothing."""
    return await _act(request, parts, principal, agent, "agent.sign_in", lambda now: parts.desk.sign_in(
        agent, principal.name, now
    ))  # fmt: skip


@post("/agents/{agent:str}/sign-out", status_code=200, tags=["agents"])
async def sign_out(
    request: ApiRequest, parts: Wired, principal: Caller, agent: FromPath[str], data: JSONBody[SignOutBody]
) -> AgentView:
    """Sign out; a call that is up goes on."""
    return await _act(request, parts, principal, agent, "agent.sign_out", lambda now: parts.desk.sign_out(
        agent, principal.name, now, data.reason
    ), data.reason)  # fmt: skip


@post("/agents/{agent:str}/state", status_code=200, tags=["agents"])
async def set_state(
    request: ApiRequest, parts: Wired, principal: Caller, agent: FromPath[str], data: JSONBody[StateBody]
) -> AgentView:
    """Choose a state. While a call is up it takes effect when the call ends."""

    def choose(now: float) -> None:
        if not parts.engine.agents[agent].signed_in:
            raise ApiError("wrong-state", "The agent is not signed in.")
        parts.desk.set_state(agent, data.state, principal.name, now, reason=data.reason, lasts=data.lasts)

    return await _act(request, parts, principal, agent, "agent.state", choose, f"{data.state} {data.reason}".strip())


@post("/agents/{agent:str}/wrap-up-done", status_code=200, tags=["agents"])
async def wrap_up_done(request: ApiRequest, parts: Wired, principal: Caller, agent: FromPath[str]) -> AgentView:
    """End wrap-up, the work after a call; without any it changes nothing."""
    return await _act(request, parts, principal, agent, "agent.wrap_up_done", lambda now: parts.desk.wrap_up_done(
        agent, principal.name, now
    ))  # fmt: skip


@get("/agents/{agent:str}/settings", tags=["agents"])
async def get_agent_settings(parts: Wired, agent: FromPath[str]) -> Response[AgentSettings]:
    """How an agent is set up; the ETag is for changes."""
    return await _answer(parts, agent)


@put("/agents/{agent:str}/settings", tags=["agents"])
async def put_agent_settings(
    request: ApiRequest,
    parts: Wired,
    principal: Caller,
    agent: FromPath[str],
    data: JSONBody[Agent],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[AgentSettings]:
    """Set an agent up, or change one. It counts at once, also for calls that wait, and over the configuration."""
    if data.id != agent:
        raise ApiError("invalid", "The id in the body is not that in the path.")
    version = expected_version(if_match, if_none_match)
    if version is None and agent in parts.desk.agents:
        raise ApiError("precondition-failed", "An agent of this id exists already.")
    faults = list(agent_faults(
        data, groups=parts.desk.groups.keys(), accounts={account.user for account in parts.config.accounts},
        domain=parts.exchange.settings.domain,
    ))  # fmt: skip
    if faults:
        raise ApiError("invalid", "The agent cannot be set up like this.", errors=faults)
    await change_desk(
        parts, principal, version, parts.store.desk.agents.put, agent, data,
        then=lambda now: parts.desk.set_agent(data, now),
    )  # fmt: skip
    await parts.note(request, principal, "agent.settings", agent)
    return await _answer(parts, agent)


@delete("/agents/{agent:str}/settings", tags=["agents"])
async def delete_agent(
    request: ApiRequest, parts: Wired, principal: Caller, agent: FromPath[str], if_match: IfMatch = None
) -> None:
    """Remove an agent, also one of the configuration; a call that is up goes on."""
    version = expected_version(if_match)
    if agent not in parts.desk.agents:
        raise ApiError("not-found", "There is no such agent.")
    await change_desk(
        parts, principal, version, parts.store.desk.agents.remove, agent,
        then=lambda now: parts.desk.remove_agent(agent, now),
    )  # fmt: skip
    await parts.note(request, principal, "agent.remove", agent)


@get("/skills", sync_to_thread=False, tags=["agents"])
def list_skills(parts: Wired) -> list[SkillView]:
    """Every skill that anybody has, and who has it."""
    return parts.services.in_calls(lambda now: skill_views(parts.engine.agents.values()))


async def change_desk(
    parts: Parts, principal: Principal, version: int | None, work: Callable[..., int], *values: object,
    then: Callable[[float], None],
) -> None:  # fmt: skip
    """Store a change of agents or groups in a thread, then have the desk follow it, one change after the other.

    `version` is the one it is meant for, None for something new; one that is configured only counts as version 0.
    """
    expected = ABSENT if version is None else version
    at_us = round(parts.services.utc() * 1e6)
    async with parts.changing:
        try:
            await asyncio.to_thread(lambda: work(*values, by=principal.name, at_us=at_us, expected=expected))
        except VersionError:
            raise ApiError("precondition-failed", "It was changed meanwhile; read it again.") from None
        except ValueError as error:
            raise ApiError("invalid", f"{error}.") from None
        parts.services.in_calls(then)


def _view(parts: Parts, principal: Principal, agent: str) -> AgentView:
    status = parts.engine.agents.get(agent)
    if status is None or status.removed:
        raise ApiError("not-found", "There is no such agent.")
    full = principal.role != "agent" or principal.agent == agent
    return agent_view(status, parts.exchange.utc_us, full=full)


async def _act(
    request: ApiRequest, parts: Parts, principal: Principal, agent: str, action: str, do: Callable[[float], None],
    detail: str = "",
) -> AgentView:  # fmt: skip
    """Do something for an agent: agents for themselves only."""
    if principal.role == "agent" and principal.agent != agent:
        raise ApiError("not-yours", "Agents act for themselves.")

    def act(now: float) -> AgentView:
        _view(parts, principal, agent)
        do(now)
        return _view(parts, principal, agent)

    view = parts.services.in_calls(act)
    await parts.note(request, principal, action, agent, "ok", detail)
    return view


async def _answer(parts: Parts, agent: str) -> Response[AgentSettings]:
    known = await asyncio.to_thread(parts.store.desk.agents.get, agent)
    # What is stored comes with its version: the desk may be about to follow.
    value = parts.desk.agents.get(agent) if known is None else known.value
    if value is None:
        raise ApiError("not-found", "There is no such agent.")
    version = 0 if known is None else known.version
    origin: Final = "configuration" if known is None else "stored"
    return Response(AgentSettings(agent=value, version=version, origin=origin), headers=etag(version))


desk: Final = (
    list_agents, get_agent, sign_in, sign_out, set_state, wrap_up_done,
    get_agent_settings, put_agent_settings, delete_agent, list_skills,
)  # fmt: skip
