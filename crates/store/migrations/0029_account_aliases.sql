-- Names that owners choose for their accounts; no two are the same.
ALTER TABLE account ADD COLUMN alias TEXT;
CREATE UNIQUE INDEX account_alias ON account (alias);
