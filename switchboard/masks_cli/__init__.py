"""`switchboard masks`: who stands behind a masked number; bound, shown, imported, exported, given out of pools."""

from __future__ import annotations

from switchboard.masks_cli import changing, files, pools, refusals, views
from switchboard.masks_cli.application import app

__all__ = ["app", "changing", "files", "pools", "refusals", "views"]
