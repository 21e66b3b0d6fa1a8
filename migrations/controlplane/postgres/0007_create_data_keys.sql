-- What is sealed is sealed under one of these. Each is wrapped by the master key, which is in the key file.
CREATE TABLE data_keys (
    number BIGINT PRIMARY KEY,
    wrapped BYTEA NOT NULL,
    created_at_ms BIGINT NOT NULL
);

-- Since when secrets of a revision are what they are, sealed: none for one of before.
ALTER TABLE revisions ADD COLUMN secrets_since BYTEA;
