CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    number INTEGER PRIMARY KEY,
    created_at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    source BLOB,
    snapshot BLOB NOT NULL
) STRICT;

CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    last_seen_ms INTEGER NOT NULL,
    status TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE acknowledgements (
    node TEXT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL REFERENCES revisions (number) ON DELETE CASCADE,
    verdict TEXT NOT NULL,
    at_ms INTEGER NOT NULL, kind TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (node, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX acknowledgements_by_revision ON acknowledgements (revision);

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    login TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    node TEXT NOT NULL,
    integration TEXT NOT NULL,
    user TEXT,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    factor TEXT,
    client TEXT NOT NULL,
    json TEXT NOT NULL, chain TEXT NOT NULL DEFAULT '', total INTEGER NOT NULL DEFAULT 0,
    UNIQUE (login, at_ms)
) STRICT;

CREATE INDEX events_by_time ON events (at_ms);

CREATE INDEX events_by_chain ON events (chain, at_ms);

CREATE INDEX events_by_user ON events (user, at_ms);

CREATE INDEX events_by_client ON events (client, at_ms);

CREATE INDEX events_by_integration ON events (integration, at_ms);

CREATE INDEX events_by_reason ON events (reason, at_ms);

CREATE INDEX events_by_outcome ON events (outcome, at_ms);
