-- Who has to look at what, and when. See src/wake.rs.
CREATE TABLE wake (
    kind  TEXT   NOT NULL,
    id    TEXT   NOT NULL,
    due   BIGINT NOT NULL, -- ms: when to look; while leased, when the lease lapses
    again BIGINT,          -- ms: when to look after the lease, if woken during it
    owner TEXT,            -- who holds the lease
    seq   BIGINT NOT NULL, -- number of the lease, grows
    PRIMARY KEY (kind, id)
);
CREATE INDEX wake_due ON wake (due);
