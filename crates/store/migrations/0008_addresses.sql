-- Every private address that an interface has, the primary one too: none is given out twice in a VPC.
CREATE TABLE interface_address (vpc BIGINT NOT NULL, ip BIGINT NOT NULL, interface BIGINT NOT NULL, PRIMARY KEY (vpc, ip));
CREATE INDEX interface_address_interface ON interface_address (interface);
INSERT INTO interface_address (vpc, ip, interface) SELECT vpc, ip, id FROM interface;
