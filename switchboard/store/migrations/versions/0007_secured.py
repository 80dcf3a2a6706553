"""By which suite the audio of each leg was secured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the suite; calls before had none."""
    op.add_column("legs", sa.Column("secured", sa.String(), nullable=False, server_default=""))
