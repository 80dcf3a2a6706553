"""How good the audio of each leg was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("peer_lost", sa.Integer()),
    ("peer_jitter_ms", sa.Float()),
    ("round_trip_ms", sa.Float()),
    ("mos_in", sa.Float()),
    ("mos_out", sa.Float()),
    ("silent", sa.Boolean()),
)


def upgrade() -> None:
    """Add what the reports of each leg told; of calls before nothing is known."""
    for name, kind in _COLUMNS:
        op.add_column("legs", sa.Column(name, kind, nullable=True))
