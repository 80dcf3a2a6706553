"""The first account: a start that finds none makes an administrator, whose password is printed once."""

from __future__ import annotations

from typing import Final

from switchboard.passwords import hash_password, new_password
from switchboard.store.audit import AuditEntry
from switchboard.store.records import utc_us
from switchboard.store.store import Store
from switchboard.store.users import NameTakenError

NAME: Final = "admin"


def first_admin(store: Store) -> str | None:
    """Make an administrator when there is no account; the password, to be changed at the first sign-in, or None.

    Hashing takes some 30 ms.
    """
    if store.users.count():
        return None
    password, now_us = new_password(), utc_us()
    try:
        store.users.create(NAME, "admin", hash_password(password), now_us=now_us, must_change=True)
    except NameTakenError:
        # The command line was quicker.
        return None
    store.audit.append(
        AuditEntry(now_us, "switchboard", "system", "", "user.add", NAME, detail="role admin, first start")
    )
    return password
