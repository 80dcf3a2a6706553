"""Masked numbers: a public number and extension bound to a hidden target, and the hidden numbers."""

from __future__ import annotations

from routing.masks.binding import Binding, Difference, Reason, Resolution
from routing.masks.secret import RealNumber, Sealed, Vault, VaultError, mask_number
from routing.masks.table import MaskTable
from routing.masks.target import AorTarget, NumberTarget, SipTarget, Target, TargetError

__all__ = [
    "AorTarget",
    "Binding",
    "Difference",
    "MaskTable",
    "NumberTarget",
    "RealNumber",
    "Reason",
    "Resolution",
    "Sealed",
    "SipTarget",
    "Target",
    "TargetError",
    "Vault",
    "VaultError",
    "mask_number",
]
