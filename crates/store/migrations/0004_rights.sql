-- Groups, roles and managed policies of accounts.
CREATE TABLE user_group (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX user_group_name ON user_group (account, name);

CREATE TABLE iam_role (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX iam_role_name ON iam_role (account, name);

CREATE TABLE managed_policy (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX managed_policy_name ON managed_policy (account, name);
