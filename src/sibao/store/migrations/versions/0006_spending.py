"""What API keys of a server have spent of their budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "spending",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("spent", sa.Float(53), nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("spending")
