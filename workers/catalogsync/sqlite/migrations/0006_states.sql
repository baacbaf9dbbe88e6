-- What becomes of the calls for providers that are not open, wherever they are
-- defined.
CREATE TABLE provider_states (
	name  TEXT PRIMARY KEY,
	state TEXT NOT NULL -- paused, draining
) STRICT;
