-- NAT gateways.
CREATE TABLE nat_gateway (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX nat_gateway_account ON nat_gateway (account, id);
CREATE INDEX nat_gateway_vpc ON nat_gateway (vpc, id);
