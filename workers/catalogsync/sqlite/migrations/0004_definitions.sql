-- Providers that were defined while allama ran. Zero and empty values stand for
-- the defaults of the provider's kind.

CREATE TABLE provider_definitions (
	name            TEXT PRIMARY KEY,
	kind            TEXT NOT NULL,
	host            TEXT NOT NULL,    -- without credentials
	sealed_key      BLOB,             -- never in the clear; NULL: there is none
	inactive        INTEGER NOT NULL,
	max_concurrency INTEGER NOT NULL,
	timeout         INTEGER NOT NULL, -- nanoseconds
	strict          INTEGER NOT NULL
) STRICT;

-- How often they have changed.
CREATE TABLE provider_roster (
	one      INTEGER PRIMARY KEY CHECK (one = 1),
	revision INTEGER NOT NULL
) STRICT;
