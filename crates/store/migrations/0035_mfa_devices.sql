-- Virtual MFA devices of accounts, and whose they are.
CREATE TABLE mfa_device (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, iam_user BIGINT, body TEXT NOT NULL);
CREATE UNIQUE INDEX mfa_device_name ON mfa_device (account, name);
CREATE INDEX mfa_device_user ON mfa_device (iam_user);
