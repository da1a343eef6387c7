-- Bandwidth that elastic addresses share.
CREATE TABLE bandwidth_package (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX bandwidth_package_account ON bandwidth_package (account, id);
