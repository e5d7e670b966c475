"""Alembic's entry: runs inside the connection that ``store.schema`` hands over."""

from alembic import context
from sqlmodel import SQLModel

import models.tables  # noqa: F401  (declares the tables)

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
