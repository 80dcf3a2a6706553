"""Masked numbers: public numbers bound to hidden targets, how they are given out, and the hidden numbers."""

from __future__ import annotations

from routing.masks.binding import Binding, Difference, Kind, Reason, Resolution
from routing.masks.policy import PLAIN, CallbackRule, Direction, Policy, Way
from routing.masks.secret import Party, RealNumber, Sealed, Vault, VaultError, mask_number
from routing.masks.sense import BindingError, TakenError
from routing.masks.shown import ShownError
from routing.masks.table import MaskTable
from routing.masks.target import AorTarget, NumberTarget, SipTarget, Target, TargetError

__all__ = [
    "PLAIN",
    "AorTarget",
    "Binding",
    "BindingError",
    "CallbackRule",
    "Difference",
    "Direction",
    "Kind",
    "MaskTable",
    "NumberTarget",
    "Party",
    "Policy",
    "RealNumber",
    "Reason",
    "Resolution",
    "Sealed",
    "ShownError",
    "SipTarget",
    "TakenError",
    "Target",
    "TargetError",
    "Vault",
    "VaultError",
    "Way",
    "mask_number",
]
