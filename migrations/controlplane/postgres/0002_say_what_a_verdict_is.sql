-- `applied` or `refused`: what is asked for in SQL has a column of its own.
ALTER TABLE acknowledgements ADD COLUMN kind TEXT NOT NULL DEFAULT '';

UPDATE acknowledgements SET kind = verdict::json ->> 'type';
