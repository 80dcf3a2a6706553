"""Enumerations without the hook of Python 3.11."""

from __future__ import annotations

import enum
import subprocess
import sys

import pytest

from switchboard.enumerations import spare_hook

SCRIPT = """
import enum
from switchboard.enumerations import spare_hook
class Early(enum.IntEnum):
    ONE = 1
spare_hook()
spare_hook()
class Late(enum.Enum):
    name = "a member called as an attribute of members"
    OTHER = "other"
assert not hasattr(enum.EnumType, "__getattr__")
assert Early.ONE is Early(1) is Early["ONE"] and Early.ONE.name == "ONE"
assert Late.name is Late["name"] and Late.OTHER.name == "OTHER" and list(Late) == [Late.name, Late.OTHER]
assert not hasattr(Early, "TWO") and not hasattr(Early, "name")
"""


def test_members_are_found_without_the_hook() -> None:
    """Also by enumerations that were there before, by members named like attributes, and when repeated."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_taken_where_there_is_no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.12 on."""
    monkeypatch.delattr(enum.EnumType, "__getattr__", raising=False)
    spare_hook()
    assert "__getattr__" not in vars(enum.EnumType)
