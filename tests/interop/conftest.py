"""Fixtures of the tests with foreign peers."""

from __future__ import annotations

from tests.e2e.conftest import plane as plane
