-- What else can be said of providers that were defined while allama ran. Zero
-- and NULL stand for the defaults of the provider's kind.
ALTER TABLE provider_definitions ADD COLUMN sealed_keys TEXT; -- further ones, a JSON array of base64
ALTER TABLE provider_definitions ADD COLUMN rpm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE provider_definitions ADD COLUMN tpm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE provider_definitions ADD COLUMN pool TEXT; -- JSON; of the kind ollama only

-- How many calls may run at once of providers that the configuration defines,
-- where that was changed while allama ran.
CREATE TABLE provider_caps (
	name            TEXT PRIMARY KEY,
	max_concurrency INTEGER NOT NULL
) STRICT;
