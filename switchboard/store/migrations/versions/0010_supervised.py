"""How a supervisor took part in a call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mode; of calls before it is not known who was a supervisor."""
    op.add_column("legs", sa.Column("mode", sa.String(), nullable=False, server_default=""))
