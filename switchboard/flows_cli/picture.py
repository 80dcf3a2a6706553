"""`switchboard flows draw`."""

from __future__ import annotations
