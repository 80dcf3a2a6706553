"""Mask rows and vaults for the tests of the store."""

from __future__ import annotations

import os

from routing.masks import RealNumber, Vault
from switchboard.store.mask_rows import LineRow, MaskRow


def fixed_vault() -> Vault:
    """A vault with one fixed key."""
    return Vault({1: b"k" * 32}, b"h" * 32, os.urandom)


def number_row(vault: Vault, extension: str, number: str, *, updated_us: int = 1) -> MaskRow:
    """A binding of 4008001234 to a real number."""
    real = RealNumber(number)
    return MaskRow(
        "4008001234", extension, "number", "", vault.seal(real), vault.fingerprint(real),
        "carrier", "01088880000", False, None, "", updated_us, updated_us,
    )  # fmt: skip


def open_row(extension: str, kind: str, target: str, **changes: object) -> MaskRow:
    """A binding of 4008001234 to a SIP URI or an account."""
    row = MaskRow("4008001234", extension, kind, target, None, None, "", "", False, None, "", 1, 1)
    return row._replace(**changes)


def line_row(
    vault: Vault, binding: str, kind: str, number: str, a: str = "", b: str = "", **changes: object
) -> LineRow:
    """A binding of an X number to real numbers."""
    people: list[bytes | None] = []
    for text in (a, b):
        people += [vault.seal(RealNumber(text)), vault.fingerprint(RealNumber(text))] if text else [None, None]
    row = LineRow(binding, number, kind, "", *people, "", False, None, "", 1, 1)  # type: ignore[arg-type]
    return row._replace(**changes)
