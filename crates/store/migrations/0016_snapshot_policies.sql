-- At which hours snapshots of volumes are taken.
CREATE TABLE snapshot_policy (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX snapshot_policy_account ON snapshot_policy (account, id);
