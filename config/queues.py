"""The groups and agents of the configuration in the words of the queue engine."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from config.queue_schema import Agent, Group
from config.schema import Config
from routing.acd import model


def agents_of(config: Config) -> list[model.Agent]:
    """Everybody who answers: those under `agents`, then the members of groups, in the order of the file.

    A member whose phone is that of an agent is that agent, who gets the group as well; any other is an agent of its
    own, named after its phone and always signed in.
    """
    found = [one for agent in config.agents for one in _agents(agent)]
    by_phone: dict[str, list[int]] = {}
    for index, one in enumerate(found):
        by_phone.setdefault(_plain(config, one.phone), []).append(index)
    for group in config.groups:
        for member in group.members:
            phone = _plain(config, member)
            if phone not in by_phone:
                by_phone[phone] = [len(found)]
                found.append(model.Agent(id=_member_id(phone), phone=member, name=_member_id(phone), always=True))
            for index in by_phone[phone]:
                groups = {group.name: 1, **found[index].groups}
                found[index] = msgspec.structs.replace(found[index], groups=groups)
    return [msgspec.structs.replace(one, order=order) for order, one in enumerate(found)]


def groups_of(config: Config) -> list[model.Group]:
    """Every group with its rules."""
    return [_group(group) for group in config.groups]


def agent_ids(agent: Agent) -> Iterator[str]:
    """The ids that an entry stands for."""
    if agent.count is None:
        yield agent.id
    else:
        yield from (f"{agent.id}-{index}" for index in range(1, agent.count + 1))


def phone_of(agent: Agent) -> str:
    """The phone of an entry."""
    return agent.phone or f"aor:{agent.id}"


def members_of(config: Config) -> Iterator[tuple[int, int, str, str]]:
    """Of each member who is none of the agents: the group's index, the member's, the target and the id."""
    known = {_plain(config, phone_of(agent)) for agent in config.agents}
    for index, group in enumerate(config.groups):
        for place, member in enumerate(group.members):
            phone = _plain(config, member)
            if phone not in known:
                yield index, place, member, _member_id(phone)


def _agents(agent: Agent) -> Iterator[model.Agent]:
    for index, one in enumerate(agent_ids(agent), 1):
        yield model.Agent(
            id=one,
            phone=phone_of(agent),
            name=f"{agent.name} {index}" if agent.name and agent.count is not None else agent.name or one,
            groups=dict(agent.groups),
            skills=dict(agent.skills),
            wrap_up=_seconds(agent.wrap_up),
            ring_timeout=_seconds(agent.ring_timeout),
            always=agent.always,
        )


def _group(group: Group) -> model.Group:
    said, back = group.announcements, group.callbacks
    return model.Group(
        name=group.name,
        strategy=group.strategy,
        weight=group.weight,
        ring_timeout=float(group.ring_timeout),
        wrap_up=float(group.wrap_up),
        requirement=group.requirement,
        refuse_pause=float(group.refuse_pause),
        no_answer_state=group.no_answer_state,
        no_answer_limit=group.no_answer_limit,
        max_length=group.max_length,
        max_wait=_seconds(group.max_wait),
        max_estimate=_seconds(group.max_estimate),
        join_empty=group.join_empty,
        leave_empty=group.leave_empty,
        overflow=tuple(model.Overflow(rule.to, _seconds(rule.after), rule.on) for rule in group.overflow),
        hours=group.hours,
        announcements=model.Announcements(
            said.music,
            float(said.first),
            float(said.every),
            said.position,
            said.wait,
            said.periodic,
            _seconds(said.callback_offer),
        ),
        callbacks=model.CallbackRules(
            back.first, back.attempts, float(back.retry_after), float(back.expire), back.hours, back.max_open
        ),
        preferred_patience=float(group.preferred_patience),
        service_level=float(group.service_level),
        progressive_step=float(group.progressive_step),
        break_limit=_seconds(group.break_limit),
    )


def _seconds(value: float | None) -> float | None:
    return None if value is None else float(value)


def _plain(config: Config, phone: str) -> str:
    """A target by which the same phone is recognised: without our own domain."""
    return phone.removesuffix(f"@{config.sip.domain}") if phone.startswith("aor:") else phone


def _member_id(phone: str) -> str:
    """`alice` of `aor:alice`, `desk-10.0.0.1-5060` of `sip:desk@10.0.0.1:5060`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", phone.partition(":")[2]).strip("-.")[:64] or "member"
