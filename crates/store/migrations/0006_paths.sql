-- Questions whether one thing reaches another, and the answers that were given.
CREATE TABLE network_path (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX network_path_account ON network_path (account, id);

CREATE TABLE path_analysis (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, path BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX path_analysis_account ON path_analysis (account, id);
CREATE INDEX path_analysis_path ON path_analysis (path, id);
