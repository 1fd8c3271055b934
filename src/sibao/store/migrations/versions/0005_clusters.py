"""Which rows of an evaluation belong together (questions on one passage), for intervals and paired tests that know it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; rows of earlier runs stand alone."""
    op.add_column("rows", sa.Column("cluster", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("rows") as table:
        table.drop_column("cluster")
