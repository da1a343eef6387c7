-- Placement groups, and the instances in them beside the instances' own rows: launches without a group write nothing here.
CREATE TABLE placement_group (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX placement_group_account ON placement_group (account, id);
CREATE INDEX placement_group_name ON placement_group (account, name);
CREATE TABLE placement_member (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, placement_group BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX placement_member_account ON placement_member (account, id);
CREATE INDEX placement_member_group ON placement_member (placement_group, id);
