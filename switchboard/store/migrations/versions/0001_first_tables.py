"""Calls, masks, keys and the journal position."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("trunk", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("called", sa.String(), nullable=False),
        sa.Column("extension", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("caller_masked", sa.String(), nullable=False),
        sa.Column("caller_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("caller_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("sip_status", sa.SmallInteger(), nullable=True),
        sa.Column("q850", sa.SmallInteger(), nullable=True),
        sa.Column("post_dial_delay_us", sa.BigInteger(), nullable=True),
        sa.Column("transfer_latency_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_calls_caller_fingerprint"), ["caller_fingerprint"], unique=False)
        batch_op.create_index(batch_op.f("ix_calls_started_us"), ["started_us"], unique=False)

    op.create_table(
        "journal_position",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_position")),
    )
    op.create_table(
        "key_checks",
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("purpose", "key_id", name=op.f("pk_key_checks")),
    )
    op.create_table(
        "mask_bindings",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("extension", sa.String(length=6), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("trunk", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "extension", name=op.f("pk_mask_bindings")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("mask_bindings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_mask_bindings_fingerprint"), ["fingerprint"], unique=False)

    op.create_table(
        "legs",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("invited_us", sa.BigInteger(), nullable=False),
        sa.Column("ringing_us", sa.BigInteger(), nullable=True),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("sip_status", sa.SmallInteger(), nullable=True),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("codec", sa.String(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=True),
        sa.Column("sent", sa.Integer(), nullable=True),
        sa.Column("lost", sa.Integer(), nullable=True),
        sa.Column("jitter_ms", sa.Float(), nullable=True),
        sa.Column("strangers", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_legs_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "place", name=op.f("pk_legs")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "segments",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_segments_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "place", name=op.f("pk_segments")),
        sqlite_with_rowid=False,
    )
