"""The resources of the API: one module a kind, with what it answers in a tuple of handlers."""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide

from switchboard.api.resources.accounts import accounts
from switchboard.api.resources.audio import audio
from switchboard.api.resources.calls import calls
from switchboard.api.resources.desk import desk
from switchboard.api.resources.groups import groups
from switchboard.api.resources.numbers import numbers
from switchboard.api.resources.parts import Parts
from switchboard.api.resources.records import records
from switchboard.api.resources.system import system
from switchboard.api.resources.trace import trace
from switchboard.api.resources.trunks import trunks
from switchboard.api.roles import PREFIX

__all__ = ["Parts", "resource_router"]


def resource_router(parts: Parts) -> Router:
    """All of them below /api/v1, over the parts of one switch."""
    return Router(
        PREFIX,
        # One by one, and at the root: a router in another is copied with all that is in it.
        route_handlers=[
            *desk, *groups, *calls, records, *audio, *numbers, *system, *accounts, *trace, *trunks,
        ],
        dependencies={"parts": Provide(lambda: parts, sync_to_thread=False)},
    )  # fmt: skip
