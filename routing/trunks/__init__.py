"""Carriers: whose calls come from where, which of their gateways is tried first, and how numbers and headers change.

A trunk is one carrier, a gateway one of its places. `table` holds what is alive of both (calls, health), `choice` the
order in which gateways are tried, `limits` what they take, `rewriting` and `header_rules` what they are shown.
"""

from __future__ import annotations

from routing.trunks.sources import MAX_REMEMBERED, TrunkError, Trunks

__all__ = ["MAX_REMEMBERED", "TrunkError", "Trunks"]
