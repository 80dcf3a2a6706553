"""What happened in a call's flow, recordings, voice mail and requests to be called back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this version."""
    for name, default in (("binding", ""), ("flow_version", ""), ("consent", ""), ("path", "[]")):
        op.add_column("calls", sa.Column(name, sa.String(), nullable=False, server_default=default))
    _call_part(
        "call_trail",
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "call_identities",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=True),
        sa.Column("took_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_identities_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_call_identities")),
        sqlite_with_rowid=False,
    )
    _call_part(
        "call_surveys",
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
    )
    _call_part(
        "call_recordings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
    )
    op.create_table(
        "voicemail_messages",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("box", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("left_us", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("caller_masked", sa.String(), nullable=False),
        sa.Column("caller_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("caller_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=True),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voicemail_messages")),
    )
    op.create_index(op.f("ix_voicemail_messages_box_left_us"), "voicemail_messages", ["box", "left_us"])
    op.create_table(
        "callback_requests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("skill_group", sa.String(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("number_masked", sa.String(), nullable=False),
        sa.Column("number_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("number_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=True),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_requests")),
    )
    op.create_index(
        op.f("ix_callback_requests_number_fingerprint_skill_group"),
        "callback_requests",
        ["number_fingerprint", "skill_group"],
        unique=True,
        sqlite_where=sa.text("state IN ('open', 'calling')"),
    )
    op.create_index(op.f("ix_callback_requests_state_asked_us"), "callback_requests", ["state", "asked_us"])


def _call_part(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f(f"fk_{name}_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "place", name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
    )
