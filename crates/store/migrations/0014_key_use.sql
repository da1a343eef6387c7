-- What accounts ask the operator for, and when access keys were last used.
CREATE TABLE quota_request (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX quota_request_account ON quota_request (account, id);
CREATE TABLE access_key_use (id TEXT PRIMARY KEY, body TEXT NOT NULL);
