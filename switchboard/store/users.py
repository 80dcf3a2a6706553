"""The accounts of people and programs that use the API: who they are, what they may do, whether they may sign in.

Passwords are here as argon2 hashes only, the secret of the second factor is sealed. Reading and writing wait for
the database, so a running switch calls these in a thread.
"""

from __future__ import annotations

import unicodedata
from typing import Final, Literal, TypedDict, Unpack, get_args

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from routing.masks.secret import Vault
from switchboard.store.database import Database
from switchboard.store.records import new_id
from switchboard.store.schema import refresh_tokens, users

Role = Literal["agent", "supervisor", "admin", "auditor"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

LONGEST_NAME: Final = 64
MAX_USERS: Final = 50_000


class UserRow(msgspec.Struct, frozen=True, kw_only=True):
    """One account; times are UTC microseconds. It prints without its secrets."""

    id: str
    name: str
    """What is typed to sign in, in its one form (`login_name`)."""
    role: Role
    agent: str = ""
    """Whose calls and state are meant by "mine"."""
    password_hash: str
    must_change: bool = False
    """The password was given by somebody else and serves once, to set another."""
    totp_sealed: bytes = b""
    totp_step: int = 0
    """The last time step whose code was taken: a code serves once (RFC 6238 §5.2)."""
    locked: bool = False
    """Locked by an administrator until unlocked."""
    locked_until_us: int = 0
    """Locked by wrong passwords until then."""
    failed: int = 0
    """Wrong passwords since the last right one, or since the last lock."""
    signed_in_us: int | None = None
    created_us: int
    changed_us: int
    version: int = 1

    @property
    def has_totp(self) -> bool:
        """Whether a second factor is asked for."""
        return bool(self.totp_sealed)

    def may_sign_in(self, now_us: int) -> bool:
        """False while the account is locked, by hand or by wrong passwords."""
        return not self.locked and self.locked_until_us <= now_us

    def __repr__(self) -> str:
        return f"UserRow(id={self.id!r}, name={self.name!r}, role={self.role!r}, agent={self.agent!r})"


class Changes(TypedDict, total=False):
    """What `UserRepository.update` changes."""

    name: str
    role: Role
    agent: str
    password_hash: str
    must_change: bool
    totp_sealed: bytes
    totp_step: int
    locked: bool
    locked_until_us: int
    failed: int


class NameTakenError(Exception):
    """Another account has this name."""


class LastAdminError(Exception):
    """Nobody would be left who may manage accounts."""


class UserVersionError(Exception):
    """The account was changed by somebody else meanwhile; `current` is its version now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the account is at version {current}")
        self.current = current


def login_name(text: str) -> str:
    """The one form of a name: without outer blanks, compatible forms and case folded; raises ValueError."""
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if not name or len(name) > LONGEST_NAME:
        raise ValueError(f"a name has 1 to {LONGEST_NAME} characters")
    if any(character.isspace() or not character.isprintable() or character in ":/\\" for character in name):
        raise ValueError("a name has no blanks, colons, slashes or control characters")
    return name


def seal_totp(vault: Vault, secret: str) -> bytes:
    """The secret of a second factor as it is stored."""
    return vault.seal_state(secret.encode())


def open_totp(vault: Vault, user: UserRow) -> str:
    """The secret of an account that has one; raises VaultError."""
    return vault.open_state(user.totp_sealed).decode()


class UserRepository:
    """The accounts in the database. An administrator who may sign in is never changed away when there is no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        role: Role,
        password_hash: str,
        *,
        now_us: int,
        agent: str = "",
        must_change: bool = False,
        totp_sealed: bytes = b"",
    ) -> UserRow:
        """Add an account; raises `NameTakenError`, and ValueError for a name or role that cannot be one."""
        row = UserRow(
            id=new_id(),
            name=login_name(name),
            role=_role(role),
            agent=agent,
            password_hash=password_hash,
            must_change=must_change,
            totp_sealed=totp_sealed,
            created_us=now_us,
            changed_us=now_us,
        )
        try:
            with self._database.writing() as connection:
                if (connection.scalar(select(func.count()).select_from(users)) or 0) >= MAX_USERS:
                    raise ValueError(f"there are {MAX_USERS} accounts already")
                connection.execute(insert(users), [msgspec.structs.asdict(row)])
        except IntegrityError:
            raise NameTakenError(row.name) from None
        return row

    def get(self, user_id: str) -> UserRow | None:
        """An account by its id."""
        with self._database.reading() as connection:
            return _get(connection, user_id)

    def by_name(self, name: str) -> UserRow | None:
        """An account by what was typed to sign in."""
        try:
            wanted = login_name(name)
        except ValueError:
            return None
        with self._database.reading() as connection:
            row = connection.execute(select(users).where(users.c.name == wanted)).mappings().first()
        return None if row is None else _user(row)

    def page(
        self, *, role: Role | None = None, agent: str | None = None, after: str = "", limit: int = 100
    ) -> list[UserRow]:
        """Accounts by name, those behind the name `after`."""
        query = select(users).where(users.c.name > after)
        if role is not None:
            query = query.where(users.c.role == role)
        if agent is not None:
            query = query.where(users.c.agent == agent)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(users.c.name).limit(limit)).mappings()
            return [_user(row) for row in rows]

    def count(self) -> int:
        """How many accounts there are."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(users)) or 0

    def update(
        self, user_id: str, *, now_us: int, version: int | None = None, **changes: Unpack[Changes]
    ) -> UserRow | None:
        """Change an account; None when there is none.

        With `version` only while it is that one (`UserVersionError`). Raises `NameTakenError`, `LastAdminError`.
        What changes who may get in, the password, the second factor, the role or a lock, ends its refresh tokens.
        """
        values: dict[str, object] = dict(changes)
        if "name" in changes:
            values["name"] = login_name(changes["name"])
        if "role" in changes:
            _role(changes["role"])
        try:
            with self._database.writing() as connection:
                before = _get(connection, user_id)
                if before is None:
                    return None
                if version is not None and version != before.version:
                    raise UserVersionError(before.version)
                after = msgspec.structs.replace(before, **values, changed_us=now_us, version=before.version + 1)
                connection.execute(update(users).where(users.c.id == user_id).values(msgspec.structs.asdict(after)))
                _keep_an_admin(connection, before)
                if _ends_sessions(before, after):
                    connection.execute(delete(refresh_tokens).where(refresh_tokens.c.user_id == user_id))
        except IntegrityError:
            raise NameTakenError(str(values.get("name"))) from None
        return after

    def delete(self, user_id: str) -> bool:
        """Remove an account and its tokens; raises `LastAdminError`."""
        with self._database.writing() as connection:
            before = _get(connection, user_id)
            if before is None:
                return False
            connection.execute(delete(users).where(users.c.id == user_id))
            _keep_an_admin(connection, before)
        return True

    def note_failure(self, user_id: str, *, now_us: int, limit: int, lock_us: int) -> UserRow | None:
        """Count a wrong password or code; the `limit`th in a row locks the account for `lock_us`."""
        again = users.c.failed + 1
        statement = update(users).where(users.c.id == user_id)
        with self._database.writing() as connection:
            connection.execute(statement.values(failed=again))
            full = statement.where(users.c.failed >= limit)
            connection.execute(full.values(failed=0, locked_until_us=now_us + lock_us))
            return _get(connection, user_id)

    def note_success(self, user_id: str, *, now_us: int, totp_step: int = 0, version: int | None = None) -> bool:
        """Somebody has signed in; False when the code of this time step was taken already, or the account is gone.

        With `version` also when the account was changed since that version.
        """
        statement = update(users).where(users.c.id == user_id)
        if version is not None:
            statement = statement.where(users.c.version == version)
        values: dict[str, object] = {"failed": 0, "locked_until_us": 0, "signed_in_us": now_us}
        if totp_step:
            statement = statement.where(users.c.totp_step < totp_step)
            values["totp_step"] = totp_step
        with self._database.writing() as connection:
            return connection.execute(statement.values(values)).rowcount > 0

    def rehash(self, user_id: str, old_hash: str, new_hash: str) -> bool:
        """Keep the same password under newer parameters; False when it was changed meanwhile."""
        statement = update(users).where(users.c.id == user_id, users.c.password_hash == old_hash)
        with self._database.writing() as connection:
            return connection.execute(statement.values(password_hash=new_hash)).rowcount > 0


def _get(connection: Connection, user_id: str) -> UserRow | None:
    row = connection.execute(select(users).where(users.c.id == user_id)).mappings().first()
    return None if row is None else _user(row)


def _user(row: RowMapping) -> UserRow:
    return UserRow(**row)


def _role(role: Role) -> Role:
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)}")
    return role


def _keep_an_admin(connection: Connection, before: UserRow) -> None:
    """Refuse what has just taken the last administrator away."""
    if before.role != "admin" or before.locked:
        return
    query = select(users.c.id).where(users.c.role == "admin", users.c.locked.is_(False)).limit(1)
    if connection.scalar(query) is None:
        raise LastAdminError


def _ends_sessions(before: UserRow, after: UserRow) -> bool:
    return (
        before.password_hash != after.password_hash
        or before.role != after.role
        or before.agent != after.agent
        or before.totp_sealed != after.totp_sealed
        or (after.locked and not before.locked)
    )
