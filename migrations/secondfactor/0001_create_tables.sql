-- Times are milliseconds since 1970, UTC. Columns named *_sealed hold XChaCha20-Poly1305 boxes.
CREATE TABLE applications (
    ikey TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    skey_sealed BLOB NOT NULL,
    -- The keys before these, good until a time, so that no login between two keys is refused.
    previous_ikey TEXT,
    previous_sealed BLOB,
    previous_until_ms INTEGER,
    new_user_policy TEXT NOT NULL CHECK (new_user_policy IN ('enroll', 'allow', 'deny')),
    username_normalization TEXT NOT NULL CHECK (username_normalization IN ('none', 'simple')),
    -- Whether names that no administrator made may enroll.
    open_enrollment INTEGER NOT NULL DEFAULT 0 CHECK (open_enrollment IN (0, 1)),
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    -- The name in lower case with single blanks: names differ by more than that.
    lookup TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'bypass', 'disabled', 'locked_out')),
    -- Wrong passcodes since the last good one.
    failures INTEGER NOT NULL DEFAULT 0,
    script_answer TEXT CHECK (script_answer IN ('approve', 'deny', 'fraud', 'ignore')),
    script_after_ms INTEGER,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('phone', 'totp', 'hotp')),
    name TEXT NOT NULL,
    number TEXT NOT NULL DEFAULT '',
    can_push INTEGER NOT NULL DEFAULT 0,
    can_phone INTEGER NOT NULL DEFAULT 0,
    can_sms INTEGER NOT NULL DEFAULT 0,
    -- A keyed hash of the token in the address of the approval page.
    approval_hash BLOB UNIQUE,
    secret_sealed BLOB,
    algorithm TEXT CHECK (algorithm IN ('SHA1', 'SHA256', 'SHA512')),
    digits INTEGER,
    period_s INTEGER,
    -- TOTP: the last time step used. HOTP: the next counter that may be used.
    position INTEGER,
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX devices_by_user ON devices (user_id, created_at_ms);

CREATE TABLE bypass_codes (
    id INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL,
    expires_at_ms INTEGER,
    UNIQUE (user_id, code_hash)
) STRICT;

CREATE TABLE sms_codes (
    id INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    -- The first digit, which the person is told.
    leading TEXT NOT NULL,
    code_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX sms_codes_by_device ON sms_codes (device_id, id);

CREATE TABLE activations (
    code_hash BLOB PRIMARY KEY,
    user_name TEXT NOT NULL,
    -- Set when the user exists already.
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    -- Whether it may add to devices that are there; an administrator's may.
    may_add INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER
) STRICT;
CREATE INDEX activations_by_expiry ON activations (expires_at_ms);
