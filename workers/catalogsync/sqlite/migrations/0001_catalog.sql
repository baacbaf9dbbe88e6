-- Times are milliseconds since 1970 in UTC; NULL is unknown. Lists are JSON.

CREATE TABLE providers (
	name      TEXT PRIMARY KEY,
	position  INTEGER NOT NULL, -- in configured order
	kind      TEXT NOT NULL,
	dialect   TEXT NOT NULL,
	base_url  TEXT NOT NULL,    -- without credentials
	error     TEXT NOT NULL,    -- of the last listing; empty when it succeeded
	synced_at INTEGER,          -- end of the last listing that succeeded
	stale     INTEGER NOT NULL
) STRICT;

CREATE TABLE models (
	id             INTEGER PRIMARY KEY,
	provider       TEXT NOT NULL REFERENCES providers (name) ON DELETE CASCADE,
	native_id      TEXT NOT NULL,
	display_name   TEXT NOT NULL,
	kind           TEXT NOT NULL,
	owned_by       TEXT NOT NULL,
	capabilities   TEXT,
	modalities     TEXT,
	context_length INTEGER NOT NULL, -- tokens; 0 is unknown, here and below
	max_output     INTEGER NOT NULL,
	price_input    REAL,             -- US dollars for a million tokens
	price_output   REAL,
	price_cached   REAL,
	digest         TEXT NOT NULL,
	size           INTEGER NOT NULL, -- bytes
	details        TEXT,             -- of the model's file, beyond digest and size
	created        INTEGER,
	modified       INTEGER,
	first_seen     INTEGER,
	last_seen      INTEGER,
	stale          INTEGER NOT NULL,
	absences       INTEGER NOT NULL, -- successful listings in a row without it
	raw            TEXT,             -- the upstream's own record
	UNIQUE (provider, native_id)
) STRICT;
