-- AUTOINCREMENT: a number is never used again, so that nobody applies another draft than was meant.
CREATE TABLE drafts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- `sealed` holds what is written, with its secrets. Rows are only added, or go with their draft.
CREATE TABLE draft_writes (
    draft INTEGER NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    author TEXT NOT NULL,
    origin TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (draft, number)
) STRICT;

-- All of them were in one document before.
DELETE FROM meta WHERE name = 'document/drafts';
