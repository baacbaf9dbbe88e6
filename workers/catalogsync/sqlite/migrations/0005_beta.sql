-- Whether beta headers of clients are sent on; NULL stands for the default of
-- the provider's kind.
ALTER TABLE provider_definitions ADD COLUMN beta INTEGER;
