-- Tokens with which nodes join: hashes only. One that was used is gone.
CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    node TEXT,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Certificates that were given to nodes. What is not here, or is revoked, is refused.
CREATE TABLE node_certificates (
    serial TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    not_after_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX node_certificates_by_node ON node_certificates (node);

-- Nodes that shall take no new logins.
CREATE TABLE drained_nodes (
    node TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
