-- Flow logs, and the log groups that they write to.
CREATE TABLE flow_log (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, resource TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX flow_log_account ON flow_log (account, id);
CREATE INDEX flow_log_resource ON flow_log (resource);
CREATE TABLE log_group (id TEXT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX log_group_account ON log_group (account);
CREATE TABLE log_stream (id TEXT PRIMARY KEY, log_group TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX log_stream_group ON log_stream (log_group);
CREATE TABLE log_block (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, log_group TEXT NOT NULL, stream TEXT NOT NULL, at_ms BIGINT NOT NULL, bytes BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX log_block_account ON log_block (account, at_ms, bytes);
CREATE INDEX log_block_group ON log_block (log_group, at_ms);
CREATE INDEX log_block_stream ON log_block (log_group, stream, at_ms);
