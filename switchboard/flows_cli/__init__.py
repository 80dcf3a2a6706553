"""`switchboard flows`: flows checked, tested, drawn, tried in the terminal."""

from __future__ import annotations

from switchboard.flows_cli import checking, picture, testing, walking
from switchboard.flows_cli.application import app

__all__ = ["app", "checking", "picture", "testing", "walking"]
