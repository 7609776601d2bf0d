"""The SQL schema: every table but ``validations`` and what one row means. Times are UTC, naive in SQLite."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

files = Table(
    "files",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String, nullable=False),  # path inside the landing place
    Column("bytes", Integer, nullable=False),
    Column("format", String),
    Column("state", String, nullable=False),  # claimed | ingested | quarantined
    Column("reason", JSON),  # errors.Reason, when quarantined
    Column("wafers", Integer),  # of a quarantined file: how many were read before it was refused
    Column("landed_at", DateTime, nullable=False),
    Column("changed_at", DateTime, nullable=False),
    Index("files_by_state", "state", "landed_at"),
    comment="One row per distinct content that landed: the same bytes twice are one file.",
)

wafers = Table(
    "wafers",
    metadata,
    Column("file_sha256", String(64), primary_key=True),
    Column("index", Integer, primary_key=True),  # place of the wafer in its source, from 0
    Column("source", String, nullable=False),
    Column("row", Integer, nullable=False),  # place in an ordered archive, -1 = same as index
    Column("lot", String, nullable=False),
    Column("wafer", String, nullable=False),
    Column("slot", Integer),
    Column("product", String),
    Column("layer", String),
    Column("tool", String),
    Column("chamber", String),
    Column("inspected_at", DateTime),
    Column("kind", String, nullable=False),  # points | dies
    Column("diameter_mm", Float, nullable=False),
    Column("defects", Integer, nullable=False),
    Column("label", String),
    Column("state", String, nullable=False),  # valid | quarantined | superseded
    Column("reason", JSON),
    Column("notes", JSON, nullable=False),
    Column("ingested_at", DateTime, nullable=False),
    ForeignKeyConstraint(["file_sha256"], ["files.sha256"]),
    Index("wafers_by_lot", "lot", "layer"),
    Index("wafers_by_source", "source", "lot"),  # archives without lots: every batch of alerts counts its source
    comment="One row per wafer of each ingested file.",
)

file_times = Table(
    "file_times",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("written_at", DateTime),  # when the tool wrote it, by the file's own word
    Column("modified_at", DateTime),  # when it was last changed where it landed
    ForeignKeyConstraint(["sha256"], ["files.sha256"]),
    comment="When each file was made: which of two versions of one inspection is the newer (see supersession.py).",
)

superseded = Table(
    "superseded",
    metadata,
    Column("file_sha256", String(64), primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("by_file_sha256", String(64), nullable=False),
    Column("by_index", Integer, nullable=False),
    Column("at", DateTime, nullable=False),
    ForeignKeyConstraint(["file_sha256", "index"], ["wafers.file_sha256", "wafers.index"]),
    comment="One row per superseded wafer: the newest version of the same inspection.",
)

sightings = Table(
    "sightings",
    metadata,
    Column("place", String, primary_key=True),  # landing folder or URL
    Column("name", String, primary_key=True),  # path inside it
    Column("fingerprint", String, nullable=False),  # size, times, etag: changes with the content
    Column("sha256", String(64), nullable=False),
    comment="What lay where when it was last read: an unchanged file is not read, or fetched, again.",
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_sha256", String(64), nullable=False),
    Column("index", Integer, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("config_sha256", String(64), nullable=False),
    Column("label", String, nullable=False),  # likeliest class
    Column("decision", String, nullable=False),  # a class, Unknown or Review
    Column("probability", Float, nullable=False),  # of label
    Column("probabilities", JSON, nullable=False),  # class -> probability
    Column("scored_at", DateTime, nullable=False),
    Column("judged_at", DateTime),  # when the alert rules saw it; null = not yet
    UniqueConstraint("file_sha256", "index", "model_sha256", "config_sha256"),
    ForeignKeyConstraint(["file_sha256", "index"], ["wafers.file_sha256", "wafers.index"]),
    Index("predictions_unjudged", "judged_at"),
    comment="Exactly one row per wafer, model and configuration.",
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),  # one event = one key; a replay finds it again
    Column("rule", String, nullable=False),
    Column("signature", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("lot", String, nullable=False),
    Column("layer", String),
    Column("product", String),
    Column("wafers", JSON, nullable=False),  # [{file_sha256, index, wafer, probability}]
    Column("summary", Text, nullable=False),
    Column("picture", String),  # path below the workspace
    Column("state", String, nullable=False),  # open | acknowledged | closed
    Column("owner", String),
    Column("comment", Text),
    Column("opened_at", DateTime, nullable=False),
    Column("changed_at", DateTime, nullable=False),
    Index("alerts_by_time", "opened_at"),
    comment="One row per event, however many wafers show it.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_id", Integer, nullable=False),
    Column("sink", String, nullable=False),
    Column("state", String, nullable=False),  # waiting | sent | dead
    Column("attempts", Integer, nullable=False),
    Column("next_at", DateTime, nullable=False),
    Column("error", Text),
    Column("sent_at", DateTime),
    UniqueConstraint("alert_id", "sink"),
    Index("outbox_by_due", "state", "next_at"),
    ForeignKeyConstraint(["alert_id"], ["alerts.id"]),
    comment="What must still be sent: written in the transaction that writes the alert.",
)

champions = Table(
    "champions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", String, nullable=False),  # registry version
    Column("bundle_sha256", String(64), nullable=False),
    Column("bundle_path", String, nullable=False),
    Column("promoted_by", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", DateTime, nullable=False),
    Column("until", DateTime),  # null = champion now
    comment="Which model was champion when; workers read the row whose until is null.",
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    comment="Append-only and hash-chained: hash = sha256(previous_hash + canonical JSON of the row).",
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),  # idempotent put: the same wafer and model once
    Column("payload", JSON, nullable=False),
    Column("state", String, nullable=False),  # waiting | leased | done | dead
    Column("attempts", Integer, nullable=False),
    Column("worker", String),
    Column("lease_until", DateTime),
    Column("error", Text),
    Column("put_at", DateTime, nullable=False),
    Column("changed_at", DateTime, nullable=False),
    Index("jobs_by_state", "state", "id"),
    comment="The job ledger: leased rows, one per wafer to be scored (see inference/ledger.py).",
)
