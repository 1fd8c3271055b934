"""The tables as they are now. Every change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

RUNS = Table(
    "runs",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("model", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("message", Text, nullable=False),
    Column("version", String(32), nullable=False),
    Column("started", Float(53), nullable=False),  # seconds since 1970, UTC
    Column("finished", Float(53)),
    Index("runs_started", "started"),
)

SCORES = Table(
    "scores",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run", String(16), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Float(53)),  # NULL is not-a-number: SQLite has no other way to keep it
    Column("low", Float(53)),
    Column("high", Float(53)),
    Column("level", Float(53), nullable=False),
    Column("n", Integer, nullable=False),
    Column("missing", Integer, nullable=False),
    Column("chance", Float(53)),
    Column("signature", Text, nullable=False),
    Index("scores_run", "run"),
)

ROWS = Table(
    "rows",
    METADATA,
    Column("run", String(16), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("prediction", Text),
    Column("references", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("missing", Text, nullable=False),
    Column("cluster", Text, nullable=False, server_default=""),
)

RESPONSES = Table(
    "responses",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("model", Text, nullable=False),
    Column("value", JSON, nullable=False),
    Column("created", Float(53), nullable=False),  # seconds since 1970, UTC
    Index("responses_created", "created"),
)

PUBLISHED = Table(
    "published",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("task", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("subset", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("value", Float(53), nullable=False),
    Column("unit", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("low", Float(53)),
    Column("high", Float(53)),
    Column("level", Float(53)),
    Column("n", Integer),
    Column("date", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("imported", Float(53), nullable=False),  # seconds since 1970, UTC
    Index("published_source", "source"),
)

VOTES = Table(
    "votes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("left_model", Text, nullable=False),
    Column("left_text", Text, nullable=False),
    Column("right_model", Text, nullable=False),
    Column("right_text", Text, nullable=False),
    Column("vote", String(8), nullable=False),
    Column("created", Float(53), nullable=False),  # seconds since 1970, UTC
)

SPENDING = Table(
    "spending",
    METADATA,
    Column("key", String(64), primary_key=True),  # SHA-256 of an API key
    Column("spent", Float(53), nullable=False),
)
