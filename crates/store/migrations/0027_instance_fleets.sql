-- Instance fleets, the instances in them beside the instances' own rows, and what happened to each.
CREATE TABLE instance_fleet (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, live BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX instance_fleet_account ON instance_fleet (account, live, id);
CREATE TABLE fleet_member (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, fleet BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX fleet_member_fleet ON fleet_member (fleet, id);
CREATE TABLE fleet_event (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, fleet BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX fleet_event_fleet ON fleet_event (fleet, id);
