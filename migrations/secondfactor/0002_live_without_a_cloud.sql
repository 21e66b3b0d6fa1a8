-- Users of directories, with other names and groups.
ALTER TABLE users ADD COLUMN full_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';
-- With the status bypass: when it is over; NULL lasts.
ALTER TABLE users ADD COLUMN bypass_until_ms INTEGER;
-- The directory it comes from; NULL is made by an administrator.
ALTER TABLE users ADD COLUMN source TEXT;
-- What that directory tells it from everybody else by, whatever its name; NULL is not known.
ALTER TABLE users ADD COLUMN directory_id TEXT;
-- What its status was before the directory disabled it, to come back; NULL is not disabled by it.
ALTER TABLE users ADD COLUMN status_before TEXT;
-- Full name and e-mail address in lower case with single blanks, for the search.
ALTER TABLE users ADD COLUMN search TEXT NOT NULL DEFAULT '';
-- Pushes in a row that were denied or left without an answer, and the last of them.
ALTER TABLE users ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN unanswered_at_ms INTEGER;
ALTER TABLE users ADD COLUMN last_login_ms INTEGER;
CREATE UNIQUE INDEX users_by_directory_id ON users (directory_id) WHERE directory_id IS NOT NULL;

-- Lists of directories that a user is on: all of a directory, or a group there.
CREATE TABLE user_lists (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    -- Whether it was on it, and is on none now.
    gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
    PRIMARY KEY (user_id, source)
) STRICT;

-- No alias is another user's lookup; the service sees to that.
CREATE TABLE aliases (
    lookup TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- The directory that says so; '' is an administrator.
    source TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX aliases_by_user ON aliases (user_id);

CREATE TABLE user_groups (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- In lower case with single blanks, as names are.
    lookup TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The list of a directory that says so; '' is an administrator.
    source TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (user_id, lookup, source)
) STRICT;
CREATE INDEX user_groups_by_group ON user_groups (lookup, user_id);

-- Devices of more kinds, and tokens that nobody has yet. What refers to devices goes first and comes
-- back last: dropping a table deletes what refers to it.
CREATE TABLE devices_next (
    id TEXT PRIMARY KEY,
    -- NULL is a hardware token that nobody has.
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('phone', 'totp', 'hotp', 'security_key', 'email')),
    name TEXT NOT NULL,
    -- The telephone number, or the address of an email.
    number TEXT NOT NULL DEFAULT '',
    can_push INTEGER NOT NULL DEFAULT 0,
    can_phone INTEGER NOT NULL DEFAULT 0,
    can_sms INTEGER NOT NULL DEFAULT 0,
    -- A keyed hash of the token in the address of the approval page.
    approval_hash BLOB UNIQUE,
    -- Until when that address binds the device to a passkey.
    approval_until_ms INTEGER,
    secret_sealed BLOB,
    algorithm TEXT CHECK (algorithm IN ('SHA1', 'SHA256', 'SHA512')),
    digits INTEGER,
    period_s INTEGER,
    -- TOTP: the last time step used. HOTP: the next counter that may be used.
    position INTEGER,
    -- TOTP: how many steps its clock is ahead, as learnt.
    drift INTEGER NOT NULL DEFAULT 0,
    -- What is printed on a hardware token.
    serial TEXT UNIQUE,
    -- The directory that says its number, or '' for a file; NULL is a person.
    source TEXT,
    created_at_ms INTEGER NOT NULL,
    last_used_ms INTEGER
) STRICT;
INSERT INTO devices_next
    (id, user_id, kind, name, number, can_push, can_phone, can_sms, approval_hash, approval_until_ms,
     secret_sealed, algorithm, digits, period_s, position, created_at_ms)
    SELECT id, user_id, kind, name, number, can_push, can_phone, can_sms, approval_hash,
           -- Whoever has one has 30 days from now.
           CASE WHEN approval_hash IS NOT NULL THEN (unixepoch() + 2592000) * 1000 END,
           secret_sealed, algorithm, digits, period_s, position, created_at_ms
    FROM devices ORDER BY created_at_ms, rowid;
CREATE TABLE sms_codes_next (
    id INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices_next (id) ON DELETE CASCADE,
    -- The first digit, which the person is told.
    leading TEXT NOT NULL,
    code_sealed BLOB NOT NULL,
    -- NULL does not end.
    expires_at_ms INTEGER
) STRICT;
INSERT INTO sms_codes_next (id, device_id, leading, code_sealed)
    SELECT id, device_id, leading, code_sealed FROM sms_codes;
DROP TABLE sms_codes;
DROP TABLE devices;
ALTER TABLE devices_next RENAME TO devices;
ALTER TABLE sms_codes_next RENAME TO sms_codes;
CREATE INDEX devices_by_user ON devices (user_id, created_at_ms);
CREATE INDEX sms_codes_by_device ON sms_codes (device_id, id);
-- A hardware token outlives its user, and what it was used for: nobody's passcode is good again.
CREATE TRIGGER tokens_outlive_their_user BEFORE DELETE ON users BEGIN
    UPDATE devices SET user_id = NULL WHERE user_id = OLD.id AND serial IS NOT NULL;
END;

-- WebAuthn credentials; a device has one.
CREATE TABLE passkeys (
    credential BLOB PRIMARY KEY,
    device_id TEXT NOT NULL UNIQUE REFERENCES devices (id) ON DELETE CASCADE,
    -- As COSE has it.
    public_key BLOB NOT NULL,
    sign_count INTEGER NOT NULL,
    -- JSON: what the browser said of it, for finding it again.
    transports TEXT NOT NULL DEFAULT '[]',
    -- Whether it may be kept elsewhere too, as the authenticator says.
    synced INTEGER NOT NULL DEFAULT 0,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Challenges of sign-ins that were answered, as long as they could be again. A keyed hash of each. They
-- outlive the passkey, which may be bound again.
CREATE TABLE used_challenges (
    hash BLOB PRIMARY KEY,
    credential BLOB NOT NULL,
    made_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX used_challenges_by_time ON used_challenges (made_at_ms);
CREATE INDEX used_challenges_by_credential ON used_challenges (credential, made_at_ms);

-- Browsers that a person has signed in with. A keyed hash of the cookie.
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The device that it was signed in with; NULL is a passcode.
    device_id TEXT REFERENCES devices (id) ON DELETE CASCADE,
    -- What it may do: see and answer what waits on its device, or change the user's devices too.
    purpose TEXT NOT NULL CHECK (purpose IN ('approve', 'manage')),
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

-- Where notices for a phone go (RFC 8030); the keys are sealed (RFC 8291).
CREATE TABLE push_subscriptions (
    device_id TEXT PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    endpoint TEXT NOT NULL,
    keys_sealed BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE policies (
    scope TEXT NOT NULL CHECK (scope IN ('default', 'application', 'group')),
    -- The application's name, the group in lower case, or ''.
    lookup TEXT NOT NULL,
    name TEXT NOT NULL,
    rank INTEGER NOT NULL DEFAULT 0,
    -- JSON.
    document TEXT NOT NULL,
    PRIMARY KEY (scope, lookup)
) STRICT;

-- Approvals that let in again.
CREATE TABLE remembered (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    application TEXT NOT NULL,
    client TEXT NOT NULL,
    station TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    UNIQUE (user_id, application, client, station)
) STRICT;
CREATE INDEX remembered_by_expiry ON remembered (expires_at_ms);
-- When all that was remembered of a user was forgotten: nothing that was approved before is remembered
-- afterwards, however late it is written down.
CREATE TABLE forgotten (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL
) STRICT;
-- An approval is worth what it rests on, whoever changes that.
CREATE TRIGGER remembered_go_with_a_device AFTER DELETE ON devices BEGIN
    DELETE FROM remembered WHERE user_id = OLD.user_id;
    INSERT INTO forgotten
        SELECT id, CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM users WHERE id = OLD.user_id
        ON CONFLICT (user_id) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms);
END;
CREATE TRIGGER remembered_go_with_a_token AFTER UPDATE OF user_id ON devices
WHEN OLD.user_id IS NOT NEW.user_id BEGIN
    DELETE FROM remembered WHERE user_id = OLD.user_id;
    INSERT INTO forgotten
        SELECT id, CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM users WHERE id = OLD.user_id
        ON CONFLICT (user_id) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms);
END;
CREATE TRIGGER remembered_go_with_a_status AFTER UPDATE OF status ON users
WHEN NEW.status IN ('disabled', 'locked_out') BEGIN
    DELETE FROM remembered WHERE user_id = NEW.id;
    INSERT INTO forgotten
        SELECT id, CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM users WHERE id = NEW.id
        ON CONFLICT (user_id) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms);
END;
CREATE TRIGGER what_is_for_an_application_goes_with_it AFTER DELETE ON applications BEGIN
    DELETE FROM remembered WHERE application = OLD.name;
    DELETE FROM policies WHERE scope = 'application' AND lookup = OLD.name;
END;

-- What an administrator should look at; the newest are kept.
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    user TEXT NOT NULL,
    application TEXT NOT NULL DEFAULT '',
    ip TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX incidents_by_user ON incidents (user, id);

-- Settings that are kept here, in JSON: delivery, the key of Web Push.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value_sealed BLOB NOT NULL
) STRICT;

ALTER TABLE activations ADD COLUMN id TEXT;
ALTER TABLE activations ADD COLUMN created_at_ms INTEGER;
-- When the user had signed in who began it for themselves; NULL is another's.
ALTER TABLE activations ADD COLUMN signed_in_at_ms INTEGER;
CREATE INDEX activations_by_user ON activations (user_id);
-- Who may not log in is signed out everywhere, and sets up nothing that was begun before.
CREATE TRIGGER sessions_go_with_a_status AFTER UPDATE OF status ON users
WHEN NEW.status IN ('disabled', 'locked_out') BEGIN
    DELETE FROM sessions WHERE user_id = NEW.id;
    DELETE FROM activations WHERE user_id = NEW.id AND used_at_ms IS NULL
        AND (signed_in_at_ms IS NOT NULL OR NEW.status = 'disabled');
END;
CREATE UNIQUE INDEX activations_by_id ON activations (id) WHERE id IS NOT NULL;

-- Lists of directories that users come from, and the last synchronization of each.
CREATE TABLE syncs (
    source TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'partly', 'refused', 'failed')),
    why TEXT NOT NULL,
    -- When users were brought in line with it, and how many it had.
    taken_at_ms INTEGER NOT NULL,
    people INTEGER NOT NULL
) STRICT;

-- Goes up with whatever many users are planned by, so that a plan that was made beside other writes is
-- known to hold still. What a login writes is not among it.
CREATE TABLE people_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO people_version (id, version) VALUES (1, 0);
CREATE TRIGGER people_insert_users AFTER INSERT ON users BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_update_users AFTER UPDATE OF lookup, name, status, status_before, full_name, email, source, directory_id ON users BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_delete_users AFTER DELETE ON users BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_insert_aliases AFTER INSERT ON aliases BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_update_aliases AFTER UPDATE ON aliases BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_delete_aliases AFTER DELETE ON aliases BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_insert_user_groups AFTER INSERT ON user_groups BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_update_user_groups AFTER UPDATE ON user_groups BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_delete_user_groups AFTER DELETE ON user_groups BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_insert_user_lists AFTER INSERT ON user_lists BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_update_user_lists AFTER UPDATE ON user_lists BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_delete_user_lists AFTER DELETE ON user_lists BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_insert_devices AFTER INSERT ON devices BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_update_devices AFTER UPDATE OF user_id, number ON devices BEGIN
    UPDATE people_version SET version = version + 1;
END;
CREATE TRIGGER people_delete_devices AFTER DELETE ON devices BEGIN
    UPDATE people_version SET version = version + 1;
END;
