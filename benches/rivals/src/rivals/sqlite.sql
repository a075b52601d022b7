CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    no TEXT NOT NULL UNIQUE,
    openid TEXT NOT NULL,
    appid TEXT NOT NULL,
    description TEXT NOT NULL,
    fee INTEGER NOT NULL,
    status INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    since INTEGER NOT NULL,
    transaction_id TEXT UNIQUE
);
CREATE INDEX openids ON orders (openid, created DESC);
CREATE INDEX statuses ON orders (status, since DESC);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    details BLOB NOT NULL
);
