-- What is sealed is sealed under one of these. Each is wrapped by the master key, which is in the key file.
CREATE TABLE data_keys (
    number INTEGER PRIMARY KEY,
    wrapped BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Since when secrets of a revision are what they are, sealed: none for one of before.
ALTER TABLE revisions ADD COLUMN secrets_since BLOB;
