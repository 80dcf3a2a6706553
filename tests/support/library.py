"""The flows that come with the switch, read and checked once for all tests of a process: nobody changes a flow."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ivr_flows.loader import load_library
from ivr_flows.model import Flow

LIBRARY: Final[Mapping[str, Flow]] = MappingProxyType(load_library())
"""By name, linked to each other."""
