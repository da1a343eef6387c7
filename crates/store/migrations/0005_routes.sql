-- Internet gateways and route tables. A VPC has one gateway at most, and one main table.
CREATE TABLE internet_gateway (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT, body TEXT NOT NULL);
CREATE UNIQUE INDEX internet_gateway_vpc ON internet_gateway (vpc);
CREATE INDEX internet_gateway_account ON internet_gateway (account, id);

CREATE TABLE route_table (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, main_of BIGINT, body TEXT NOT NULL);
CREATE UNIQUE INDEX route_table_main_of ON route_table (main_of);
CREATE INDEX route_table_vpc ON route_table (vpc, id);
CREATE INDEX route_table_account ON route_table (account, id);
