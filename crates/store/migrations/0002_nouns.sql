-- The nouns. Each row is a document in `body`; the columns before it carry constraints, look-ups and order.

CREATE TABLE account (id BIGINT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX account_name ON account (name);

CREATE TABLE iam_user (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX iam_user_name ON iam_user (account, name);

CREATE TABLE access_key (id TEXT PRIMARY KEY, account BIGINT NOT NULL, iam_user BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX access_key_user ON access_key (iam_user);

CREATE TABLE quota (id TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE host (id BIGINT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX host_name ON host (name);

CREATE TABLE image (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, public BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX image_name ON image (account, name);
CREATE INDEX image_public ON image (public, id);

CREATE TABLE key_pair (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX key_pair_name ON key_pair (account, name);

CREATE TABLE vpc (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vni BIGINT NOT NULL, default_of BIGINT, body TEXT NOT NULL);
CREATE UNIQUE INDEX vpc_vni ON vpc (vni);
CREATE UNIQUE INDEX vpc_default_of ON vpc (default_of);
CREATE INDEX vpc_account ON vpc (account, id);

CREATE TABLE subnet (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX subnet_account ON subnet (account, id);
CREATE INDEX subnet_vpc ON subnet (vpc, id);

CREATE TABLE security_group (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX security_group_name ON security_group (vpc, name);
CREATE INDEX security_group_account ON security_group (account, id);

CREATE TABLE interface (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, ip BIGINT NOT NULL, instance BIGINT, body TEXT NOT NULL);
CREATE UNIQUE INDEX interface_ip ON interface (vpc, ip);
CREATE INDEX interface_instance ON interface (instance);
CREATE INDEX interface_account ON interface (account, id);

CREATE TABLE address (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, ip BIGINT NOT NULL, interface BIGINT, elastic BIGINT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX address_ip ON address (ip);
CREATE INDEX address_interface ON address (interface);
CREATE INDEX address_account ON address (account, id);

CREATE TABLE volume (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, host BIGINT NOT NULL, instance BIGINT, gib BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX volume_host ON volume (host, id);
CREATE INDEX volume_instance ON volume (instance);
CREATE INDEX volume_account ON volume (account, id);

CREATE TABLE instance (
  id BIGINT PRIMARY KEY, account BIGINT NOT NULL, reservation BIGINT NOT NULL, host BIGINT NOT NULL, live BIGINT NOT NULL,
  on_host BIGINT NOT NULL, held_vcpus BIGINT NOT NULL, held_memory BIGINT NOT NULL, state TEXT NOT NULL, zone TEXT NOT NULL,
  instance_type TEXT NOT NULL, image BIGINT NOT NULL, vpc BIGINT NOT NULL, subnet BIGINT NOT NULL, key_name TEXT, name TEXT NOT NULL,
  private_ip BIGINT NOT NULL, tags TEXT, body TEXT NOT NULL
);
CREATE INDEX instance_account ON instance (account, live, id);
CREATE INDEX instance_reservation ON instance (reservation);
CREATE INDEX instance_host ON instance (host, live, held_vcpus, held_memory, on_host);

CREATE TABLE event (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX event_account ON event (account, id);

CREATE TABLE client_token (id TEXT PRIMARY KEY, created_at BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX client_token_created ON client_token (created_at);
