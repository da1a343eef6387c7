-- Prefix lists.
CREATE TABLE prefix_list (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX prefix_list_account ON prefix_list (account, id);
