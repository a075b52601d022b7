CREATE TABLE IF NOT EXISTS orderstore_meta (
    one boolean PRIMARY KEY CHECK (one),
    version integer NOT NULL,
    store_id bytea NOT NULL,
    incarnation bytea NOT NULL,
    number_key bytea NOT NULL,
    counter bigint NOT NULL,
    rows bigint NOT NULL);
CREATE TABLE IF NOT EXISTS orderstore_orders (
    out_trade_no text COLLATE "C" PRIMARY KEY,
    row bigint NOT NULL,
    version bigint NOT NULL,
    status smallint,
    openid text,
    total_fee bigint,
    created_ms bigint,
    updated_ms bigint NOT NULL,
    unclaimed integer NOT NULL,
    open_anomalies integer NOT NULL,
    record bytea NOT NULL);
CREATE TABLE IF NOT EXISTS orderstore_events (
    out_trade_no text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    place bigint GENERATED ALWAYS AS IDENTITY,
    seq bigint,
    change_id bytea NOT NULL,
    event bytea NOT NULL,
    PRIMARY KEY (out_trade_no, version));
CREATE INDEX IF NOT EXISTS orderstore_events_unnumbered
    ON orderstore_events (place) WHERE seq IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS orderstore_events_feed
    ON orderstore_events (seq) WHERE seq IS NOT NULL;
CREATE TABLE IF NOT EXISTS orderstore_keys (
    key text COLLATE "C" PRIMARY KEY,
    out_trade_no text COLLATE "C" NOT NULL);
CREATE TABLE IF NOT EXISTS orderstore_entries (
    list text COLLATE "C" NOT NULL,
    place bytea NOT NULL,
    out_trade_no text COLLATE "C" NOT NULL,
    PRIMARY KEY (list, place));
INSERT INTO orderstore_meta VALUES (true, 1, '\x00112233445566778899aabbccddeeff',
    '\x0102030405060708', '\xffeeddccbbaa99887766554433221100', 0, 1);
