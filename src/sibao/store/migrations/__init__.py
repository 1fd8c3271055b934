"""Alembic's folder. A change of the tables is one new file ``versions/<number>_<what>.py`` after the last one."""
