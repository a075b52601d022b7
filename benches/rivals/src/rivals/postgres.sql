CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    no text NOT NULL UNIQUE,
    openid text NOT NULL,
    appid text NOT NULL,
    description text NOT NULL,
    fee bigint NOT NULL,
    status smallint NOT NULL,
    version integer NOT NULL,
    created bigint NOT NULL,
    updated bigint NOT NULL,
    expires bigint NOT NULL,
    since bigint NOT NULL,
    transaction_id text UNIQUE
);
CREATE INDEX openids ON orders (openid, created DESC);
CREATE INDEX statuses ON orders (status, since DESC);
CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL,
    version integer NOT NULL,
    at bigint NOT NULL,
    kind smallint NOT NULL,
    details bytea NOT NULL
);
