-- Peerings of VPCs that were deleted, as long as they are shown, by both sides.
CREATE TABLE vpc_peering_deleted (id BIGINT PRIMARY KEY, requester BIGINT NOT NULL, accepter BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX vpc_peering_deleted_requester ON vpc_peering_deleted (requester, id);
CREATE INDEX vpc_peering_deleted_accepter ON vpc_peering_deleted (accepter, id);
