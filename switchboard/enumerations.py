"""Members of enumerations, read as fast as other attributes of a class."""

from __future__ import annotations

from enum import EnumType


def spare_hook() -> None:
    """Take `__getattr__` from the class of enumerations, which has one in Python 3.11 and none from 3.12 on.

    Members are attributes of their class, so it finds nothing; but while it is there each of them is looked up the slow
    way: a hundred times in a call.
    """
    if "__getattr__" in vars(EnumType):
        del EnumType.__getattr__  # type: ignore[attr-defined]
