-- NAT gateways that were deleted, as long as they are shown.
CREATE TABLE nat_gateway_deleted (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX nat_gateway_deleted_account ON nat_gateway_deleted (account, id);
