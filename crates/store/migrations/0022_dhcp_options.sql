-- Sets of DHCP options.
CREATE TABLE dhcp_options (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX dhcp_options_account ON dhcp_options (account, id);
