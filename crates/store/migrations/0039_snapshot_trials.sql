-- Trials of snapshots, by snapshot, and the host that each runs on.
CREATE TABLE snapshot_trial (id BIGINT PRIMARY KEY, host BIGINT, body TEXT NOT NULL);
CREATE INDEX snapshot_trial_host ON snapshot_trial (host, id);
