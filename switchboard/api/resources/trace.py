"""The ladder of a call: all its SIP messages, as long as they are kept in memory."""

from __future__ import annotations

import asyncio
import base64
import time
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

from litestar import get
from litestar.params import FromPath, QueryParameter

from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.types import MessageStep, TraceView
from switchboard.ops.masking import clean_text
from switchboard.trace.ladder import Step, climb
from switchboard.trace.masked import masked, without_keys

REST: Final = 0.001
"""Seconds that the searching thread leaves to calls now and then."""

Reveal: TypeAlias = Annotated[bool, QueryParameter(description="Nothing is masked; admins only, and it is logged.")]
Wire: TypeAlias = Annotated[bool, QueryParameter(description="Each message in full, in base64.")]


@get("/calls/{call:str}/trace", tags=["calls"])
async def trace_call(
    request: ApiRequest, parts: Wired, principal: Caller, call: FromPath[str],
    reveal: Reveal = False, wire: Wire = False,
) -> TraceView:  # fmt: skip
    """The SIP messages so far of a call that is up."""
    if call not in parts.exchange.calls:
        raise ApiError("no-call", "It has ended, or never was; ended calls are under /records.")
    return await _trace(request, parts, principal, call, reveal=reveal, wire=wire)


@get("/records/{call:str}/trace", tags=["records"])
async def trace_record(
    request: ApiRequest, parts: Wired, principal: Caller, call: FromPath[str],
    reveal: Reveal = False, wire: Wire = False,
) -> TraceView:  # fmt: skip
    """The SIP messages of a call that has ended, or is up, while they are kept: minutes to hours, by load."""
    return await _trace(request, parts, principal, call, reveal=reveal, wire=wire)


async def _trace(
    request: ApiRequest, parts: Parts, principal: Principal, call: str, *, reveal: bool, wire: bool
) -> TraceView:  # fmt: skip
    if reveal and principal.role != "admin":
        raise ApiError("forbidden", "Admins may see messages in clear.")
    if parts.ring is None:
        raise ApiError("not-found", "No messages are kept: the configuration has trace: {megabytes: 0}.")
    known = parts.ring.known(call)
    if known is None:
        raise ApiError("not-found", "No messages of such a call are kept any more.")
    if reveal:
        await parts.note(request, principal, "call.trace_reveal", call)
    batches = parts.ring.since(known.since)
    steps = await asyncio.to_thread(climb, batches, known.call_ids, _rest)
    if not steps:
        raise ApiError("not-found", "Its messages had to make room for later ones.")
    host, port = parts.exchange.settings.local
    began = parts.exchange.utc_us(steps[0].at) / 1e6
    return TraceView(
        call=call,
        switch=_place((host, port)),
        began=datetime.fromtimestamp(began, UTC),
        revealed=reveal,
        messages=[_view(step, steps[0].at, reveal=reveal, wire=wire) for step in steps],
    )


def _view(step: Step, first: float, *, reveal: bool, wire: bool) -> MessageStep:
    shown = b"" if not wire else without_keys(step.wire) if reveal else masked(step.wire)
    return MessageStep(
        ms=round((step.at - first) * 1000, 3),
        direction="out" if step.outgoing else "in",
        peer=_place(step.peer),
        transport=step.transport,
        leg=step.leg,
        method=clean_text(step.method),
        status=step.status,
        text=clean_text(step.text),
        cseq=step.cseq,
        again=step.again,
        sdp=[clean_text(line) for line in step.sdp],
        wire=base64.b64encode(shown).decode(),
    )


def _place(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _rest() -> None:
    time.sleep(REST)


trace: Final = (trace_call, trace_record)
