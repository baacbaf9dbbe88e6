-- The calls that the provider takes as they are, as a list of
-- dialect/operation; NULL stands for all of its own dialect.
ALTER TABLE providers ADD COLUMN native TEXT;
