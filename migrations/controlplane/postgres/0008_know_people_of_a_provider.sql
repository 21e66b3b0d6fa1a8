-- The integration whose second factor is asked in the place of a passcode; none: a passcode is.
ALTER TABLE admins ADD COLUMN integration TEXT;
-- The secret of passcodes that takes the place of the present one when it is confirmed; sealed.
ALTER TABLE admins ADD COLUMN totp_next BYTEA;

-- A session is an administrator's, or of a person whom a provider named with a role. Whoever is signed
-- in signs in again.
DROP TABLE sessions;
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    hash BYTEA NOT NULL,
    admin TEXT REFERENCES admins (name) ON DELETE CASCADE,
    person TEXT,
    role TEXT,
    expires_at_ms BIGINT NOT NULL,
    last_used_at_ms BIGINT NOT NULL,
    CHECK ((admin IS NULL) <> (person IS NULL) AND (person IS NULL) = (role IS NULL))
);

-- The states of sign-ins at a provider that came back, until they could not any more.
CREATE TABLE used_states (
    id TEXT PRIMARY KEY,
    expires_at_ms BIGINT NOT NULL
);
