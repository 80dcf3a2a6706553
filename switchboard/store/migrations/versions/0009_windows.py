"""Windows of call-backs through X numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add when a window began and the calls made in it; until a call tells, it began with the binding's last use."""
    op.add_column("mask_lines", sa.Column("window_us", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("mask_lines", sa.Column("window_times", sa.Integer(), nullable=False, server_default="0"))
