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
, secrets_since BLOB) STRICT;

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
    json TEXT NOT NULL, chain TEXT NOT NULL DEFAULT '', total INTEGER NOT NULL DEFAULT 0, test INTEGER NOT NULL DEFAULT 0,
    UNIQUE (login, at_ms)
) STRICT;

CREATE INDEX events_by_time ON events (at_ms);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    link BLOB NOT NULL
) STRICT;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    last_used_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE admins (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT,
    totp BLOB NOT NULL,
    totp_step INTEGER NOT NULL,
    invitation TEXT,
    invitation_hash BLOB,
    invited_until_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
, integration TEXT, totp_next BLOB) STRICT, WITHOUT ROWID;

CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    node TEXT,
    expires_at_ms INTEGER NOT NULL
, redeemed_key BLOB, redeemed_serial TEXT) STRICT, WITHOUT ROWID;

CREATE TABLE node_certificates (
    serial TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    not_after_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX node_certificates_by_node ON node_certificates (node);

CREATE TABLE drained_nodes (
    node TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX events_by_chain ON events (chain, at_ms);

CREATE INDEX events_by_user ON events (user, at_ms);

CREATE INDEX events_by_client ON events (client, at_ms);

CREATE INDEX events_by_integration ON events (integration, at_ms);

CREATE INDEX events_by_reason ON events (reason, at_ms);

CREATE INDEX events_by_outcome ON events (outcome, at_ms);

CREATE TABLE data_keys (
    number INTEGER PRIMARY KEY,
    wrapped BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    admin TEXT REFERENCES admins (name) ON DELETE CASCADE,
    person TEXT,
    role TEXT,
    expires_at_ms INTEGER NOT NULL,
    last_used_at_ms INTEGER NOT NULL,
    CHECK ((admin IS NULL) <> (person IS NULL) AND (person IS NULL) = (role IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE used_states (
    id TEXT PRIMARY KEY,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE drafts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE draft_writes (
    draft INTEGER NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    author TEXT NOT NULL,
    origin TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (draft, number)
) STRICT;

CREATE TABLE seen_clients (
    integration TEXT NOT NULL,
    address TEXT NOT NULL,
    last_signed_ms INTEGER,
    last_unsigned_ms INTEGER,
    last_seen_ms INTEGER NOT NULL,
    PRIMARY KEY (integration, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX seen_clients_by_time ON seen_clients (last_seen_ms);

CREATE INDEX events_counted ON events (at_ms, outcome, reason) WHERE test = 0;
