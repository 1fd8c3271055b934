"""Floor 1: runs, scores and per-row results in SQLite or PostgreSQL. Only this package opens a database."""
