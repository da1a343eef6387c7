-- Egress-only internet gateways. A VPC may have several.
CREATE TABLE egress_only_gateway (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX egress_only_gateway_account ON egress_only_gateway (account, id);
CREATE INDEX egress_only_gateway_vpc ON egress_only_gateway (vpc, id);
