"""A load without anything that it could be put upon."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from bench.load import Load
from bench.target import Target


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A load whose target does not exist and has no process."""
    return Load(Target(("127.0.0.1", 9), ()), Console(quiet=True), tmp_path)
