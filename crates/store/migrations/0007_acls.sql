-- Network ACLs. A VPC has one default.
CREATE TABLE network_acl (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, default_of BIGINT, body TEXT NOT NULL);
CREATE UNIQUE INDEX network_acl_default_of ON network_acl (default_of);
CREATE INDEX network_acl_vpc ON network_acl (vpc, id);
CREATE INDEX network_acl_account ON network_acl (account, id);
