"""Accounts, tokens, the log of commands, agents and groups, remarks; agents' parts of calls; places of callbacks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_CALLBACK_COLUMNS = (
    ("since_us", sa.BigInteger(), "0"),
    ("priority", sa.Integer(), "0"),
    ("vip", sa.Integer(), "0"),
    ("requirement", sa.String(), ""),
    ("attempts", sa.Integer(), "0"),
    ("reason", sa.String(), ""),
    ("last_call_id", sa.String(length=36), ""),
)

_CALL_COLUMNS = (
    ("skill_group", sa.String(), ""),
    ("agent", sa.String(), ""),
    ("queued_us", sa.BigInteger(), "0"),
    ("hold_us", sa.BigInteger(), "0"),
    ("consult_us", sa.BigInteger(), "0"),
    ("transfers", sa.Integer(), "0"),
    ("province", sa.String(), ""),
    ("city", sa.String(), ""),
    ("carrier", sa.String(), ""),
    ("talk_us", sa.BigInteger(), "0"),
)

_PART_COLUMNS = (("legs", "agent"), ("segments", "agent"), ("segments", "skill_group"))

_TALK = (
    "UPDATE calls SET talk_us = COALESCE((SELECT SUM(segments.ended_us - segments.started_us) FROM segments"
    " WHERE segments.call_id = calls.id AND segments.kind = 'talk'), 0)"
)


def upgrade() -> None:
    """Bring the tables to this version."""
    for name, kind, default in _CALLBACK_COLUMNS:
        op.add_column("callback_requests", sa.Column(name, kind, nullable=False, server_default=default))
    op.execute("UPDATE callback_requests SET since_us = asked_us")
    _extend_calls()
    _create_accounts()
    _create_objects()


def _extend_calls() -> None:
    for name, kind, default in _CALL_COLUMNS:
        op.add_column("calls", sa.Column(name, kind, nullable=False, server_default=default))
    for table, name in _PART_COLUMNS:
        op.add_column(table, sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.execute(_TALK)
    op.drop_index(op.f("ix_calls_started_us"), "calls")
    op.drop_index(op.f("ix_calls_caller_fingerprint"), "calls")
    op.create_index(op.f("ix_calls_started_us_id"), "calls", ["started_us", "id"])
    for column in ("caller_fingerprint", "called", "skill_group"):
        op.create_index(op.f(f"ix_calls_{column}_started_us_id"), "calls", [column, "started_us", "id"])
    op.create_table(
        "call_agents",
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("skill_group", sa.String(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=False),
        sa.Column("talk_us", sa.BigInteger(), nullable=False),
        sa.Column("hold_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_agents_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("agent", "started_us", "call_id", name=op.f("pk_call_agents")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_call_agents_agent_answered_us"), "call_agents", ["agent", "answered_us"])
    op.create_index(op.f("ix_call_agents_call_id"), "call_agents", ["call_id"])


def _create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("locked_until_us", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("signed_in_us", sa.BigInteger(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_index(op.f("ix_users_agent"), "users", ["agent"])
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("family", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("begun_us", sa.BigInteger(), nullable=False),
        sa.Column("issued_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_refresh_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_refresh_tokens")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_refresh_tokens_family"), "refresh_tokens", ["family"])
    op.create_index(op.f("ix_refresh_tokens_user_id_begun_us"), "refresh_tokens", ["user_id", "begun_us"])
    op.create_index(op.f("ix_refresh_tokens_expires_us"), "refresh_tokens", ["expires_us"])
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_log_at_us"), "audit_log", ["at_us"])
    for column in ("who", "action", "subject"):
        op.create_index(op.f(f"ix_audit_log_{column}_id"), "audit_log", [column, "id"])


def _create_objects() -> None:
    op.create_table(
        "desk_objects",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.String(), nullable=True),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_desk_objects")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_remarks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_remarks")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_call_remarks_call_id_id"), "call_remarks", ["call_id", "id"])
    op.create_table(
        "hidden_calls",
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("hidden_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_hidden_calls_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("agent", "call_id", name=op.f("pk_hidden_calls")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_hidden_calls_call_id"), "hidden_calls", ["call_id"])
