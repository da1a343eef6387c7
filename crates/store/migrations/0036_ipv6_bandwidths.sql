-- Internet bandwidth of addresses of IPv6, of which each has one at most, and the rule by which only the address opens connections.
CREATE TABLE ipv6_bandwidth (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, gateway BIGINT NOT NULL, ip TEXT NOT NULL, egress_rule BIGINT,
                             body TEXT NOT NULL);
CREATE UNIQUE INDEX ipv6_bandwidth_ip ON ipv6_bandwidth (ip);
CREATE INDEX ipv6_bandwidth_account ON ipv6_bandwidth (account, id);
CREATE INDEX ipv6_bandwidth_gateway ON ipv6_bandwidth (gateway, id);
CREATE INDEX ipv6_bandwidth_rule ON ipv6_bandwidth (egress_rule);
