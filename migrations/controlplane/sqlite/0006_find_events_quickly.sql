-- The first request's login: what all events of one login have in common.
ALTER TABLE events ADD COLUMN chain TEXT NOT NULL DEFAULT '';
-- Octets of JSON up to this event, those included that are gone: two of them tell a size.
ALTER TABLE events ADD COLUMN total INTEGER NOT NULL DEFAULT 0;

-- From here on `client` is the address alone: `192.0.2.1:1024`, `[2001:db8::1]:1024` before.
UPDATE events SET
    chain = coalesce(json ->> '$.first', login),
    client = CASE
        WHEN client LIKE '[::ffff:%.%' THEN substr(client, 9, instr(client, ']') - 9)
        WHEN client LIKE '[%' THEN substr(client, 2, instr(client, ']') - 2)
        ELSE substr(client, 1, instr(client, ':') - 1)
    END;

UPDATE events SET total = sums.total
FROM (SELECT seq, sum(octet_length(json)) OVER (ORDER BY seq) AS total FROM events) AS sums
WHERE sums.seq = events.seq;

-- Each ends with the time, so that a page is read in its order and no more of it than is shown. The
-- number is the last column of any index.
DROP INDEX events_by_user;
DROP INDEX events_by_integration;
CREATE INDEX events_by_chain ON events (chain, at_ms);
CREATE INDEX events_by_user ON events (user, at_ms);
CREATE INDEX events_by_client ON events (client, at_ms);
CREATE INDEX events_by_integration ON events (integration, at_ms);
CREATE INDEX events_by_reason ON events (reason, at_ms);
CREATE INDEX events_by_outcome ON events (outcome, at_ms);
