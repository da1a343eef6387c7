-- What public addresses carried: how far each was taken down, and its minutes by hours.
CREATE TABLE traffic_meter (id BIGINT PRIMARY KEY, hour BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX traffic_meter_hour ON traffic_meter (hour);
CREATE TABLE traffic_hour (id TEXT PRIMARY KEY, address BIGINT NOT NULL, hour BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX traffic_hour_address ON traffic_hour (address, hour);
CREATE INDEX traffic_hour_hour ON traffic_hour (hour);
