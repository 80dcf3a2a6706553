"""Policies of masks, X numbers, quarantines, refusals and the log of changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this version."""
    op.add_column("mask_bindings", sa.Column("policy", sa.String(), nullable=False, server_default=""))
    op.add_column("mask_bindings", sa.Column("used_us", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "mask_lines",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("a_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("a_fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("b_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("b_fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("skill_group", sa.String(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mask_lines")),
        sqlite_with_rowid=False,
    )
    for column in ("number", "a_fingerprint", "b_fingerprint"):
        op.create_index(op.f(f"ix_mask_lines_{column}"), "mask_lines", [column])
    op.create_table(
        "mask_quarantines",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("extension", sa.String(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "extension", name=op.f("pk_mask_quarantines")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mask_pools",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mask_pools")),
    )
    op.create_table(
        "mask_pool_numbers",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("added_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["pool"], ["mask_pools.name"], name=op.f("fk_mask_pool_numbers_pool")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_mask_pool_numbers")),
    )
    op.create_index(op.f("ix_mask_pool_numbers_pool"), "mask_pool_numbers", ["pool"])
    op.create_table(
        "mask_releases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("people", sa.LargeBinary(), nullable=False),
        sa.Column("released_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mask_releases")),
    )
    op.create_index(op.f("ix_mask_releases_released_us"), "mask_releases", ["released_us"])
    op.create_table(
        "mask_extension_pools",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("last", sa.String(), nullable=False),
        sa.Column("check_digit", sa.String(), nullable=False),
        sa.Column("cool_down", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_mask_extension_pools")),
    )
    op.create_table(
        "mask_refusals",
        sa.Column("customer", sa.LargeBinary(), nullable=False),
        sa.Column("agent", sa.LargeBinary(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("refused_us", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("customer", "agent", name=op.f("pk_mask_refusals")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mask_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("binding", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mask_log")),
    )
    op.create_index(op.f("ix_mask_log_binding"), "mask_log", ["binding"])
