-- What is asked of hosts: the generation of the host's document in which a row last changed it, so that a document can be made
-- from the one before, and a report finds what waited for it. Both, and the sums for placement, come from the indexes alone.
ALTER TABLE instance ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
DROP INDEX instance_host;
CREATE INDEX instance_host ON instance (host, live, asked, on_host, held_vcpus, held_memory);

ALTER TABLE volume ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
DROP INDEX volume_host;
CREATE INDEX volume_host ON volume (host, asked, gib);
