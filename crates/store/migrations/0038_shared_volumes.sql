-- Which instances have a volume that several may have. Its row lists them; this finds it by one of them.
CREATE TABLE volume_holder (volume BIGINT NOT NULL, instance BIGINT NOT NULL, PRIMARY KEY (volume, instance));
CREATE INDEX volume_holder_instance ON volume_holder (instance, volume);
