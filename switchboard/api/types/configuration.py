"""Masks, pools, flows, trunks and phones, as the API shows them."""

# ruff: noqa: RUF012 - msgspec makes a new value of an empty default each time
from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from switchboard.api.types.common import Moment, View


class MaskView(View, frozen=True, kw_only=True):
    """Who stands behind an extension or an X number; `leads_to` in words, numbers masked."""

    id: str
    number: str
    extension: str = ""
    kind: str
    leads_to: str
    group: str = ""
    state: str
    expires: Moment | None = None
    label: str = ""
    policy: Mapping[str, object] = {}
    created: Moment | None = None
    updated: Moment | None = None
    origin: Literal["stored", "configuration"] = "stored"
    """Bindings of the configuration are changed there, or by binding something else in their place."""


class MaskDone(View, frozen=True, kw_only=True):
    """What became of bindings; the running switch uses them already."""

    ids: list[str]
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    unserved: list[str] = []
    """Numbers of them that no line of the configuration leads to."""


class RefusalView(View, frozen=True, kw_only=True):
    """A customer who wants no calls back: some of the fingerprint, since when, the call in which that was said."""

    customer: str
    since: Moment
    call: str | None = None


class RefusalDone(View, frozen=True, kw_only=True):
    """What became of a customer's word."""

    changed: bool


class CityView(View, frozen=True, kw_only=True):
    """The numbers of a pool in one city."""

    city: str
    numbers: int
    free: int
    bindings: int


class PoolView(View, frozen=True, kw_only=True):
    """A pool of X numbers."""

    name: str
    pairs: int
    cool_down: float
    sticky: bool
    beyond: bool
    cities: list[CityView]


class ExtensionPoolView(View, frozen=True, kw_only=True):
    """Extensions of a main number that are given out."""

    number: str
    first: str
    last: str
    check: str
    cool_down: float
    total: int
    used: int


class PoolsView(View, frozen=True, kw_only=True):
    """All pools."""

    pools: list[PoolView]
    extensions: list[ExtensionPoolView]


class PoolNumberView(View, frozen=True, kw_only=True):
    """A number of a pool."""

    number: str
    city: str
    retired: bool
    bindings: int


class FlowView(View, frozen=True, kw_only=True):
    """A version of a flow; older ones are listed while calls are in them."""

    flow: str
    version: str
    file: str
    newest: bool
    calls: int


class FlowChange(View, frozen=True, kw_only=True):
    """What a check found or an activation did; with faults nothing was changed."""

    ok: bool
    added: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    faults: list[str] = []


class TrunkCalls(View, frozen=True, kw_only=True):
    """Calls of a trunk or gateway, since the switch started; `asr` is the part of attempts that was answered."""

    calls: int = 0
    """Those that are up, both ways, of at most `channels` where that is not 0."""
    channels: int = 0
    rate: int = 0
    """Those begun in the last second, of at most `cps` where that is not 0."""
    cps: int = 0
    attempts: int = 0
    answered: int = 0
    received: int = 0
    asr: float | None = None
    failed_status: int | None = None
    failed_ago: float | None = None


class OurRegistrationView(View, frozen=True, kw_only=True):
    """A registration of ours at a carrier: held, refreshing, trying, waiting, leaving or off; `at` is the gateway."""

    state: str
    at: str = ""
    expires_in: float | None = None
    reason: str = ""
    """Why the latest try has failed, empty when it has not."""


class GatewayView(View, frozen=True, kw_only=True):
    """One place of a carrier: up, down, unknown, paused or disabled."""

    name: str
    to: str
    transport: str
    addresses: list[str] = []
    state: str
    order: int
    weight: int
    counted: TrunkCalls
    registered: bool | None = None


class TrunkView(View, frozen=True, kw_only=True):
    """A carrier: open, closed (by its hours), full, down or disabled; where calls to it go, and what became of them."""

    name: str
    state: str = "open"
    to: str = ""
    nat: bool = False
    landing: Mapping[str, str] = {}
    calls: int = 0
    counted: TrunkCalls = TrunkCalls()
    registrations: list[OurRegistrationView] = []
    gateways: list[GatewayView] = []


class TrunkChange(View, frozen=True, kw_only=True):
    """What reading the file anew has brought; `waiting` are changed sections that wait for the next start."""

    ok: bool
    added: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    waiting: list[str] = []
    faults: list[str] = []


class RegistrationView(View, frozen=True, kw_only=True):
    """A phone that is registered."""

    aor: str
    contact: str
    source: str
    transport: str
    expires_in: float
    q: float = 1.0
    nat: bool = False
    path: list[str] = []
    user_agent: str = ""
    agent: str = ""
