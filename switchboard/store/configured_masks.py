"""The bindings that the configuration makes: they hold where nothing stored does, and are shown beside what is stored.

A range of extensions is one binding here, whose extension is written `100000-299999`.
"""

from __future__ import annotations

from collections.abc import Sequence

from config.schema import Mask
from routing.masks import Binding, MaskTable, RealNumber, Vault
from routing.masks.binding import extension_id
from switchboard.store.masks import MaskFilter, MaskRepository, bind_configured, configured_target


def configured_binding(masks: Sequence[Mask], vault: Vault, binding: str) -> Binding | None:
    """The one of this id, also out of a range; raises `ValueError` for masks that make no sense."""
    number, _, extension = binding.partition(",")
    table = MaskTable()
    # Sealing all of them takes long, where there are many.
    near = (mask for mask in masks if mask.number == number and mask.extension in (None, extension))
    bind_configured(table, near, vault)
    target = table.bound(number, extension) if extension else None
    return None if target is None else Binding(number=number, extension=extension, target=target)


def configured_masks(masks: Sequence[Mask], vault: Vault, stored: MaskRepository, wanted: MaskFilter) -> list[Mask]:
    """Those that fit and that nothing stored stands for, in the order of the configuration.

    They are active, without a label.
    """
    if wanted.kind not in (None, "extension") or wanted.state not in (None, "active") or wanted.label:
        return []
    fit = {extension_id(mask.number, _extension(mask)): mask for mask in masks if _fits(mask, vault, wanted)}
    overruled = stored.some(list(fit))
    return [mask for key, mask in fit.items() if key not in overruled]


def binding_for(mask: Mask, vault: Vault) -> Binding:
    """What a mask binds, with its number sealed; raises `ValueError` for one that makes no sense."""
    return Binding(number=mask.number, extension=_extension(mask), target=configured_target(mask, vault))


def _extension(mask: Mask) -> str:
    return mask.extension or repr(mask.extensions)


def _fits(mask: Mask, vault: Vault, wanted: MaskFilter) -> bool:
    if wanted.number not in (None, mask.number):
        return False
    if wanted.party is None:
        return True
    if mask.real is None:
        return False
    return vault.fingerprint(RealNumber(mask.real.reveal("looking for a person's masks"))) == wanted.party
