"""Masks, pools, flows, trunks and phones, as the API shows them."""

# ruff: noqa: RUF012 - msgspec makes a new value of an empty default each time
from __future__ import annotations

from collections.abc import Mapping

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


class MaskDone(View, frozen=True, kw_only=True):
    """What became of bindings; the running switch uses them already."""

    ids: list[str]
    added: int = 0
    replaced: int = 0
    unchanged: int = 0


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


class TrunkView(View, frozen=True, kw_only=True):
    """A carrier: where calls to it go, and the calls that are up."""

    name: str
    to: str = ""
    nat: bool = False
    landing: Mapping[str, str] = {}
    calls: int = 0


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
