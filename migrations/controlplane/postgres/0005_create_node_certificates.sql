-- Tokens with which nodes join: hashes only. One that was used is gone.
CREATE TABLE join_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    hash BYTEA NOT NULL,
    node TEXT,
    expires_at_ms BIGINT NOT NULL
);

-- Certificates that were given to nodes. What is not here, or is revoked, is refused.
CREATE TABLE node_certificates (
    serial TEXT COLLATE "C" PRIMARY KEY,
    node TEXT COLLATE "C" NOT NULL,
    not_after_ms BIGINT NOT NULL,
    revoked_at_ms BIGINT
);

CREATE INDEX node_certificates_by_node ON node_certificates (node);

-- Nodes that shall take no new logins.
CREATE TABLE drained_nodes (
    node TEXT COLLATE "C" PRIMARY KEY,
    since_ms BIGINT NOT NULL
);
