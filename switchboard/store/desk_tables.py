"""The tables of those who work with the switch: accounts, their tokens and commands, agents and groups, remarks."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from switchboard.store.metadata import metadata

users: Final = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("password_hash", String, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("totp_sealed", LargeBinary, nullable=False),
    Column("totp_step", BigInteger, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("locked_until_us", BigInteger, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("signed_in_us", BigInteger),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
)
Index(None, users.c.agent)

refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("family", String(36), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("begun_us", BigInteger, nullable=False),
    Column("issued_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),
    sqlite_with_rowid=False,
)
Index(None, refresh_tokens.c.family)
Index(None, refresh_tokens.c.user_id, refresh_tokens.c.begun_us)
Index(None, refresh_tokens.c.expires_us)

# AUTOINCREMENT: a pruned line's number never comes back, so that a reader's cursor stays true.
audit_log: Final = Table(
    "audit_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("role", String, nullable=False),
    Column("address", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("detail", String, nullable=False),
    sqlite_autoincrement=True,
)
Index(None, audit_log.c.at_us)
Index(None, audit_log.c.who, audit_log.c.id)
Index(None, audit_log.c.action, audit_log.c.id)
Index(None, audit_log.c.subject, audit_log.c.id)

# `body` is JSON; NULL says that the object is removed, also where the configuration has one of that name.
desk_objects: Final = Table(
    "desk_objects",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("body", String),
    Column("changed_us", BigInteger, nullable=False),
    Column("changed_by", String, nullable=False),
    sqlite_with_rowid=False,
)

# A remark may be written while its call is up, so it refers to no row of calls.
call_remarks: Final = Table(
    "call_remarks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_id", String(36), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("text", String, nullable=False),
    sqlite_autoincrement=True,
)
Index(None, call_remarks.c.call_id, call_remarks.c.id)

hidden_calls: Final = Table(
    "hidden_calls",
    metadata,
    Column("agent", String, primary_key=True),
    Column("call_id", ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("hidden_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, hidden_calls.c.call_id)
