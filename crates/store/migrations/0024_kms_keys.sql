-- Keys of accounts, under which the keys of encrypted disks are wrapped.
CREATE TABLE kms_key (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, is_default BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX kms_key_account ON kms_key (account, id);
-- What accounts have said of new disks.
CREATE TABLE disk_encryption_default (id BIGINT PRIMARY KEY, body TEXT NOT NULL);
