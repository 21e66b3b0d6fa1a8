-- Who asked an integration, and when with a Message-Authenticator and when without one. `address` is
-- that of the request, without a port.
CREATE TABLE seen_clients (
    integration TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    last_signed_ms BIGINT,
    last_unsigned_ms BIGINT,
    last_seen_ms BIGINT NOT NULL,
    PRIMARY KEY (integration, address)
);

CREATE INDEX seen_clients_by_time ON seen_clients (last_seen_ms);

-- Tests are no logins. Within a text of the JSON the quotes would have backslashes.
ALTER TABLE events ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
UPDATE events SET test = 1 WHERE position('"test":true' IN json) > 0;

-- What logins are counted by, so that counting reads no more than this.
CREATE INDEX events_counted ON events (at_ms, outcome, reason) WHERE test = 0;
