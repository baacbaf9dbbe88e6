-- What the provider says of the model, beyond max_output, as JSON; NULL is
-- nothing.
ALTER TABLE models ADD COLUMN facts TEXT;
