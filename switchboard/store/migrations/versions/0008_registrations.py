"""Registrations of phones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; phones that are registered come into it when they refresh."""
    op.create_table(
        "registrations",
        sa.Column("aor", sa.String(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("bindings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("aor", name=op.f("pk_registrations")),
        sqlite_with_rowid=False,
    )
