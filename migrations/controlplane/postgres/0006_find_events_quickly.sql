-- The first request's login: what all events of one login have in common.
ALTER TABLE events ADD COLUMN chain TEXT NOT NULL DEFAULT '';
-- Octets of JSON up to this event, those included that are gone: two of them tell a size.
ALTER TABLE events ADD COLUMN total BIGINT NOT NULL DEFAULT 0;

-- From here on `client` is the address alone: `192.0.2.1:1024`, `[2001:db8::1]:1024` before.
-- JSON with \u0000 somewhere is none to PostgreSQL; within a text the quotes would have backslashes.
UPDATE events SET
    chain = coalesce(substring(json FROM '"first":"([0-9a-f]{32})"'), login),
    client = regexp_replace(
        regexp_replace(client, '^\[?(.*?)\]?:[0-9]+$', '\1'), '^::ffff:(.*\..*)$', '\1'
    ),
    total = sums.total
FROM (SELECT seq, sum(octet_length(json)) OVER (ORDER BY seq) AS total FROM events) AS sums
WHERE sums.seq = events.seq;

-- Each ends with the time and the number, so that a page is read in its order and no more of it than
-- is shown.
DROP INDEX events_by_time;
DROP INDEX events_by_user;
DROP INDEX events_by_integration;
CREATE INDEX events_by_time ON events (at_ms, seq);
CREATE INDEX events_by_chain ON events (chain, at_ms, seq);
CREATE INDEX events_by_user ON events ("user", at_ms, seq);
CREATE INDEX events_by_client ON events (client, at_ms, seq);
CREATE INDEX events_by_integration ON events (integration, at_ms, seq);
CREATE INDEX events_by_reason ON events (reason, at_ms, seq);
CREATE INDEX events_by_outcome ON events (outcome, at_ms, seq);
