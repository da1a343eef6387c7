-- Seals over the audit trail.
CREATE TABLE event_seal (id BIGINT PRIMARY KEY, body TEXT NOT NULL);
