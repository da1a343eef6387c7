-- Groups of snapshots that were taken at one instant, and the group of a snapshot. Snapshots of before are in none.
CREATE TABLE snapshot_group (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX snapshot_group_account ON snapshot_group (account, id);
ALTER TABLE snapshot ADD COLUMN snapshot_group BIGINT;
CREATE INDEX snapshot_snapshot_group ON snapshot (snapshot_group, id);
