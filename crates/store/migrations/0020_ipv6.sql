-- The range that VPCs get theirs from where the operator names none, made once; the ranges that VPCs have; and every IPv6 address that
-- an interface has: none is given out twice in a VPC. Addresses are 32 hexadecimal digits. Networks of IPv4 alone have no record here.
CREATE TABLE ipv6_site (id BIGINT PRIMARY KEY, net TEXT NOT NULL);
CREATE TABLE ipv6_range (net TEXT PRIMARY KEY, vpc BIGINT NOT NULL);
CREATE TABLE interface_ipv6 (vpc BIGINT NOT NULL, ip TEXT NOT NULL, interface BIGINT NOT NULL, PRIMARY KEY (vpc, ip));
