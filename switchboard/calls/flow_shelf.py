"""The flows that are live, by name and version: new calls get the newest, running calls keep theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ivr_flows.model import Flow


class Change(NamedTuple):
    """What a reload did, as names of flows."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether everything is as it was."""
        return not (self.added or self.changed or self.removed)


class FlowShelf:
    """Holds each version for as long as a call may be in it."""

    __slots__ = ("_current", "_versions")

    def __init__(self, flows: Mapping[str, Flow]) -> None:
        self._current = dict(flows)
        self._versions = {(flow.name, flow.version): flow for flow in flows.values()}

    def __contains__(self, name: str) -> bool:
        return name in self._current

    @property
    def current(self) -> Mapping[str, Flow]:
        """The newest version of each flow."""
        return self._current

    def newest(self, name: str) -> Flow | None:
        """The version for a new call; None when no flow has that name, or no longer."""
        return self._current.get(name)

    def version(self, name: str, version: str) -> Flow | None:
        """The version that a running call began with."""
        return self._versions.get((name, version))

    def versions(self) -> Iterable[Flow]:
        """Every version on the shelf, newest ones and those that calls still use."""
        return self._versions.values()

    def replace(self, flows: Mapping[str, Flow], in_use: Iterable[tuple[str, str]]) -> Change:
        """Put new flows live; older versions stay only while `in_use` names them."""
        old, kept = self._current, set(in_use)
        change = Change(
            tuple(sorted(flows.keys() - old.keys())),
            tuple(sorted(name for name in flows.keys() & old.keys() if flows[name].version != old[name].version)),
            tuple(sorted(old.keys() - flows.keys())),
        )
        # An unchanged flow keeps its object, so that calls in one version share it.
        self._current = {
            name: old[name] if name in old and old[name].version == flow.version else flow
            for name, flow in flows.items()
        }
        self._versions = {key: flow for key, flow in self._versions.items() if key in kept}
        self._versions |= {(flow.name, flow.version): flow for flow in self._current.values()}
        return change
