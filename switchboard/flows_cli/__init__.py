"""`switchboard flows`: flows checked, tested, drawn, tried in the terminal, and those that are live."""

from __future__ import annotations

from switchboard.flows_cli import checking, live, picture, testing, walking
from switchboard.flows_cli.application import app

__all__ = ["app", "checking", "live", "picture", "testing", "walking"]
