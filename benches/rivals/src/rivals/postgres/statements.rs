//! SQL statements, each a transaction by itself. Status 0 means unpaid, 1 means paid.

/// Parameters: number, openid, fee, time, end of payability, and the event's details.
pub(super) const CREATE: &str = "\
WITH made AS (
    INSERT INTO orders (no, openid, appid, description, fee, status, version,
                        created, updated, expires, since)
    VALUES ($1, $2, 'wxd2565e6a04246fd1', 'Image形象店-深圳腾大-QQ公仔', $3, 0, 1,
            $4, $4, $5, $4)
    RETURNING id
)
INSERT INTO events (order_id, version, at, kind, details)
SELECT id, 1, $4, 1, $6 FROM made";

/// Parameters of [`CREATE`], each as an array.
pub(super) const CREATE_MANY: &str = "\
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bytea[]) AS t (no, openid, fee, at, expires, details)
), made AS (
    INSERT INTO orders (no, openid, appid, description, fee, status, version,
                        created, updated, expires, since)
    SELECT no, openid, 'wxd2565e6a04246fd1', 'Image形象店-深圳腾大-QQ公仔', fee, 0, 1,
           at, at, expires, at
    FROM asked
    RETURNING id, no
)
INSERT INTO events (order_id, version, at, kind, details)
SELECT made.id, 1, asked.at, 1, asked.details FROM made JOIN asked USING (no)";

/// Parameters: number, transaction, fee, time, payment time, and the event's details.
pub(super) const PAY: &str = "\
WITH paid AS (
    UPDATE orders SET status = 1, version = version + 1, updated = $4, since = $5,
                      transaction_id = $2
    WHERE no = $1 AND status = 0 AND fee = $3
    RETURNING id, version
)
INSERT INTO events (order_id, version, at, kind, details)
SELECT id, version, $4, 2, $6 FROM paid";

/// Parameters of [`PAY`], each as an array.
pub(super) const PAY_MANY: &str = "\
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bytea[]) AS t (no, transaction, fee, at, paid_at, details)
), paid AS (
    UPDATE orders SET status = 1, version = orders.version + 1, updated = asked.at,
                      since = asked.paid_at, transaction_id = asked.transaction
    FROM asked
    WHERE orders.no = asked.no AND orders.status = 0 AND orders.fee = asked.fee
    RETURNING orders.id, orders.version, asked.at, asked.details
)
INSERT INTO events (order_id, version, at, kind, details)
SELECT id, version, at, 2, details FROM paid";

pub(super) const GET: &str = "SELECT * FROM orders WHERE no = $1";

pub(super) const PAGE: &str =
    "SELECT * FROM orders WHERE openid = $1 ORDER BY created DESC LIMIT $2";
