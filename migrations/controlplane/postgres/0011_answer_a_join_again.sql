-- A token that was used stays until its node was heard of: should the answer have been lost, the same
-- key is answered again. `redeemed_key` is SHA-256 of that key, and `node` the name that it got.
ALTER TABLE join_tokens ADD COLUMN redeemed_key BYTEA;
ALTER TABLE join_tokens ADD COLUMN redeemed_serial TEXT COLLATE "C";
