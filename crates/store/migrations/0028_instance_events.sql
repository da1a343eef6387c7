-- What is planned for instances, and was: reboots and stops for maintenance, and rehearsals of such.
CREATE TABLE instance_event (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX instance_event_account ON instance_event (account, id);
