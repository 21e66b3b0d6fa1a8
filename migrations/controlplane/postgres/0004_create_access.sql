-- `hash` is of a secret with 256 random bits; the secret itself is kept nowhere.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    hash BYTEA NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    last_used_at_ms BIGINT
);

-- `password` is its argon2id hash, none until the invitation was taken; `totp` is sealed.
CREATE TABLE admins (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT,
    totp BYTEA NOT NULL,
    totp_step BIGINT NOT NULL,
    invitation TEXT,
    invitation_hash BYTEA,
    invited_until_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    hash BYTEA NOT NULL,
    admin TEXT NOT NULL REFERENCES admins (name) ON DELETE CASCADE,
    expires_at_ms BIGINT NOT NULL,
    last_used_at_ms BIGINT NOT NULL
);
