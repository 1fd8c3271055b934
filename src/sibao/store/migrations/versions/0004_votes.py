"""Blind votes of people on two answers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "votes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("left_model", sa.Text(), nullable=False),
        sa.Column("left_text", sa.Text(), nullable=False),
        sa.Column("right_model", sa.Text(), nullable=False),
        sa.Column("right_text", sa.Text(), nullable=False),
        sa.Column("vote", sa.String(8), nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("votes")
