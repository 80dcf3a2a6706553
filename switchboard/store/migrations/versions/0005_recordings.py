"""Recordings are found by themselves, without their calls."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index recordings by id and by time."""
    op.create_index(op.f("ix_call_recordings_id"), "call_recordings", ["id"])
    op.create_index(op.f("ix_call_recordings_started_us_id"), "call_recordings", ["started_us", "id"])
