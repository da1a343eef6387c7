-- Peerings of VPCs, by both sides.
CREATE TABLE vpc_peering (id BIGINT PRIMARY KEY, requester BIGINT NOT NULL, accepter BIGINT NOT NULL,
    requester_vpc BIGINT NOT NULL, accepter_vpc BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX vpc_peering_requester ON vpc_peering (requester, id);
CREATE INDEX vpc_peering_accepter ON vpc_peering (accepter, id);
CREATE INDEX vpc_peering_requester_vpc ON vpc_peering (requester_vpc, id);
CREATE INDEX vpc_peering_accepter_vpc ON vpc_peering (accepter_vpc, id);
