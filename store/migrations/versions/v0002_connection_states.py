"""Connections to sources get a state, credentials and a memory.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain ADD COLUMN, and the defaults stay: to drop them SQLite would have to make the table anew, and could not, as
    # links and runs refer to it.
    op.add_column("connection", sa.Column("state", sa.String(), server_default="active", nullable=False))
    op.add_column("connection", sa.Column("state_reason", sa.String(), server_default="", nullable=False))
    op.add_column("connection", sa.Column("state_since", sa.String(), nullable=True))
    op.add_column("connection", sa.Column("credentials", sa.String(), nullable=True))
    op.add_column("connection", sa.Column("memory", sa.String(), server_default="{}", nullable=False))


def downgrade() -> None:
    for column in ("memory", "credentials", "state_since", "state_reason", "state"):
        op.drop_column("connection", column)
