"""Alembic's migrations: one file per change of ``models.tables``."""
