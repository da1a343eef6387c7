-- The host that translates for a NAT gateway, and the gateway of an address; and of hosts what each is told of all others. Rows of before
-- have nothing there until they are next written.
ALTER TABLE nat_gateway ADD COLUMN home BIGINT;
CREATE INDEX nat_gateway_home ON nat_gateway (home, vpc);
ALTER TABLE address ADD COLUMN nat_gateway BIGINT;
CREATE INDEX address_nat_gateway ON address (nat_gateway);
ALTER TABLE host ADD COLUMN underlay BIGINT;
ALTER TABLE host ADD COLUMN number BIGINT;
