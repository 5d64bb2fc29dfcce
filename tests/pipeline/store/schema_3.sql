-- The store as version 3 made it.
CREATE TABLE meta (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE runs (
    camera TEXT NOT NULL,
    run TEXT NOT NULL,
    number INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    updates INTEGER NOT NULL,
    time FLOAT,
    state TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    frames INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    closed_at FLOAT,
    PRIMARY KEY (camera, run)
);
CREATE TABLE identities (
    id INTEGER NOT NULL,
    name TEXT,
    created_at FLOAT NOT NULL,
    in_gallery BOOLEAN NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX identities_in_gallery ON identities (id) WHERE in_gallery;
CREATE TABLE audit (
    id INTEGER NOT NULL,
    time FLOAT NOT NULL,
    author TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE forgotten (
    camera TEXT NOT NULL,
    run TEXT NOT NULL,
    track INTEGER NOT NULL,
    PRIMARY KEY (camera, run, track)
);
CREATE TABLE tracklets (
    id INTEGER NOT NULL,
    camera TEXT NOT NULL,
    run TEXT NOT NULL,
    track INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    start FLOAT NOT NULL,
    "end" FLOAT NOT NULL,
    crops INTEGER NOT NULL,
    quality FLOAT NOT NULL,
    ended BOOLEAN NOT NULL,
    fingerprint TEXT NOT NULL,
    thumbnail_quality FLOAT NOT NULL,
    crop TEXT,
    open BOOLEAN NOT NULL,
    prototype BOOLEAN NOT NULL,
    identity INTEGER,
    decision TEXT,
    similarity FLOAT,
    runner_up FLOAT,
    decided_at FLOAT,
    PRIMARY KEY (id),
    UNIQUE (camera, run, track),
    FOREIGN KEY(identity) REFERENCES identities (id)
);
CREATE INDEX tracklets_by_camera ON tracklets (camera, start);
CREATE INDEX tracklets_prototype ON tracklets (id) WHERE prototype;
CREATE INDEX tracklets_by_identity ON tracklets (identity, start);
CREATE INDEX tracklets_open ON tracklets (id) WHERE open;
CREATE TABLE updates (
    tracklet INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    start FLOAT NOT NULL,
    "end" FLOAT NOT NULL,
    crops INTEGER NOT NULL,
    quality FLOAT NOT NULL,
    embedding BLOB,
    ended BOOLEAN NOT NULL,
    known_at FLOAT NOT NULL,
    path BLOB NOT NULL,
    PRIMARY KEY (tracklet, seq),
    FOREIGN KEY(tracklet) REFERENCES tracklets (id)
);
CREATE TABLE events (
    id INTEGER NOT NULL,
    tracklet INTEGER NOT NULL,
    time FLOAT NOT NULL,
    decision TEXT NOT NULL,
    identity INTEGER,
    former INTEGER,
    similarity FLOAT,
    runner_up FLOAT,
    reason TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(tracklet) REFERENCES tracklets (id),
    FOREIGN KEY(identity) REFERENCES identities (id),
    FOREIGN KEY(former) REFERENCES identities (id)
);
CREATE INDEX ix_events_tracklet ON events (tracklet);
CREATE TABLE crops (
    tracklet INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    file TEXT NOT NULL,
    time FLOAT NOT NULL,
    quality FLOAT NOT NULL,
    PRIMARY KEY (tracklet, seq),
    FOREIGN KEY(tracklet) REFERENCES tracklets (id)
);
CREATE TABLE corrections (
    id INTEGER NOT NULL,
    time FLOAT NOT NULL,
    author TEXT NOT NULL,
    kind TEXT NOT NULL,
    identity INTEGER NOT NULL,
    tracklet INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(identity) REFERENCES identities (id),
    FOREIGN KEY(tracklet) REFERENCES tracklets (id)
);
CREATE INDEX ix_corrections_tracklet ON corrections (tracklet);
CREATE TABLE embeddings (
    tracklet INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    embedding BLOB NOT NULL,
    PRIMARY KEY (tracklet, fingerprint),
    FOREIGN KEY(tracklet) REFERENCES tracklets (id)
);
