"""Alembic runs this file: the migrations happen on the connection, and in the transaction, that ``schema.py`` made."""

from alembic import context

from sibao.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
