-- Capacity reservations, and the room of each of their instances on a host.
CREATE TABLE capacity_reservation (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, active BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX capacity_reservation_account ON capacity_reservation (account, active, id);
CREATE TABLE capacity_slot (
  id BIGINT PRIMARY KEY, account BIGINT NOT NULL, reservation BIGINT NOT NULL, host BIGINT NOT NULL, free BIGINT NOT NULL,
  held_vcpus BIGINT NOT NULL, held_memory BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX capacity_slot_account ON capacity_slot (account, free, reservation);
CREATE INDEX capacity_slot_reservation ON capacity_slot (reservation, free, host, id);
CREATE INDEX capacity_slot_host ON capacity_slot (host, held_vcpus, held_memory);
