"""What models answered, by the content of the question, so that a stopped evaluation goes on where it was."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "responses",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
    )
    op.create_index("responses_created", "responses", ["created"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("responses")
