-- Snapshots of volumes. `host` is set while a host takes one.
CREATE TABLE snapshot (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, volume BIGINT NOT NULL, host BIGINT, shared BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX snapshot_account ON snapshot (account, id);
CREATE INDEX snapshot_volume ON snapshot (volume, id);
CREATE INDEX snapshot_host ON snapshot (host, id);
CREATE INDEX snapshot_shared ON snapshot (shared, id);
