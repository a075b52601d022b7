"""Client of the HTTP API of orderstore: one file, standard library only.

Connects to a Unix socket or to a loopback address, and keeps its connections open. Threads may
share a client. So may forked processes such as gunicorn's workers: each opens its own connections.

Fields have the names of the API (`totalFee`, `transactionId`). Amounts are integers in fen, never
floats: the server refuses 19.9 and 1990.0. Cursors and sums are strings.
"""

import http.client
import json
import os
import socket
import time
from urllib.parse import quote, urlencode, urlsplit

# The server replies to a command within 30 seconds. Later than this, the connection is broken.
ANSWER_SECONDS = 40


class StoreError(Exception):
    """Failure of a request.

    `type` is the URN of the problem, `status` the HTTP status (0 without a reply), `detail` the
    cause. `effect` is `notApplied`, `unknown` (applied completely or not at all: send the same
    command again until it gets a reply) or `none` (the request had no command).
    """

    def __init__(self, type, status, detail, effect, retry_after=None):
        super().__init__(f"{detail} ({type}, status {status}, effect {effect})")
        self.type, self.status, self.detail, self.effect = type, status, detail, effect
        self.retry_after = retry_after


def outcome(reply):
    """Returns the name of a reply's outcome, which is a text or an object with one field."""
    found = reply["outcome"]
    return found if isinstance(found, str) else next(iter(found))


class Client:
    """Client of one server.

    `address` is `unix:PATH` or `http://127.0.0.1:PORT`. `limit` is the time in seconds in which the
    client repeats a request. The last attempt may end up to 40 seconds later.
    """

    def __init__(self, address, token=None, limit=60):
        self.address, self.limit = address, limit
        self._headers = {"content-type": "application/json"}
        if token is not None:
            self._headers["authorization"] = "Bearer " + token
        # Open connections without a request, by process. A forked child must not use its parent's:
        # it could read a reply that belongs to the parent.
        self._idle = {}

    # The four steps of a payment.

    def new_order_no(self):
        """Draws an order number that the store never issues again."""
        return self.new_order_nos(1)[0]

    def new_order_nos(self, count):
        """Draws up to 1,024 order numbers."""
        return self._send("POST", "/v1/order-numbers", {"count": count})["outTradeNos"]

    def create(self, no, fields):
        """Creates an order. Requires `appid` and `totalFee`."""
        return self._send("POST", "/v1/orders", {"outTradeNo": no, **fields})

    def record_prepay(self, no, fields):
        """Records the channel's prepay. Requires `kind` and `value`."""
        return self._send("POST", _order(no, "/prepay"), fields)

    def confirm(self, no, fields):
        """Records a payment that you have verified. Requires `transactionId`, `paidFee`, `timeEnd`
        and `source`. Reply "received" to the channel only if `acknowledge` is true."""
        return self._send("POST", _order(no, "/confirm"), fields)

    # Other commands.

    def request_refund(self, no, fields):
        """Reserves a refund. Requires `refundNo`, `transactionId` and `amount`."""
        return self._send("POST", _order(no, "/refunds"), fields)

    def record_refund(self, no, refund_no, fields):
        """Records the channel's report. Requires `transactionId`, `amount` and `state`."""
        path = _order(no, f"/refunds/{quote(refund_no, safe='')}/record")
        return self._send("POST", path, fields)

    def command(self, name, no, fields=None):
        """Runs any command under the name that it has in a batch, such as `beginClose`."""
        result = self.batch([{"command": name, "outTradeNo": no, **(fields or {})}])[0]
        if isinstance(result, StoreError):
            raise result
        return result

    def batch(self, commands, minimal=False):
        """Runs up to 1,024 commands, and returns a reply or a `StoreError` for each. `minimal` leaves
        the orders out of the replies. If the call raises, send the whole batch again."""
        until = time.monotonic() + self.limit
        path = "/v1/batch?return=minimal" if minimal else "/v1/batch"
        results, todo, attempt = [None] * len(commands), range(len(commands)), 0
        while True:
            body = {"commands": [commands[i] for i in todo]}
            for i, result in zip(todo, self._send("POST", path, body, until=until)["results"]):
                was_unknown = results[i] is not None and results[i].effect == "unknown"
                if "reply" in result:
                    results[i] = result["reply"]
                elif not was_unknown:
                    found = result["problem"]
                    names = ("type", "status", "detail", "effect", "retryAfter")
                    results[i] = StoreError(*(found.get(name) for name in names))
            # Commands with a reply keep it. Only the others are sent again.
            todo = [i for i in todo if isinstance(results[i], StoreError) and _is_open(results[i])]
            pause = _pause(attempt)
            if not todo or time.monotonic() + pause >= until:
                return results
            time.sleep(pause)
            attempt += 1

    # Reads.

    def get(self, no):
        """Returns an order. Raises the problem `order-not-found` if there is none."""
        return self.read(_order(no))

    def history(self, no):
        """Returns the events of an order."""
        return self.read(_order(no, "/history"))["events"]

    def orders(self, **query):
        """Returns a page of orders, newest first: `rows`, and `next` for the argument `cursor`. The
        other arguments are those of the API, such as `openid`, `status` and `limit`."""
        return self.read("/v1/orders", **query)

    def feed(self, after=None, wait=30, limit=100):
        """Returns the events after a cursor, and waits up to `wait` seconds for the first one. Store
        the cursor `next` with your own data, and pass it as `after`."""
        return self.read("/v1/feed", after=after, wait=wait, limit=limit)

    def counts(self):
        """Returns the number of orders by status, of unclaimed payments and of open anomalies."""
        return self.read("/v1/counts")

    def read(self, path, **query):
        """Reads any route of the API, such as `/v1/due`."""
        given = {name: value for name, value in query.items() if value is not None}
        text = {name: json.dumps(v) if isinstance(v, bool) else v for name, v in given.items()}
        path = f"{path}?{urlencode(text)}" if text else path
        return self._send("GET", path, wait=given.get("wait", 0))

    # Requests.

    def _send(self, method, path, fields=None, wait=0, until=None):
        """Sends a request, and repeats it with the same body until it is answered or `limit` has passed.

        Why a repeat is safe: every command names its order, payment or refund itself. The store
        recognizes a second copy and applies nothing twice. The reply then shows what the first copy
        did: `exists` in place of `created`, `duplicate` in place of `applied`. A lost order number
        is never issued again. A command that was `unknown` once stays so until it gets a reply: a
        later `notApplied` is about the later copy only.
        """
        until = time.monotonic() + self.limit if until is None else until
        body = None if fields is None else json.dumps(fields).encode()
        is_unknown, attempt = False, 0
        while True:
            try:
                return self._attempt(method, path, body, ANSWER_SECONDS + wait)
            except StoreError as error:
                may_pass = error.status == 0 or error.retry_after is not None
                if is_unknown or error.effect == "unknown":
                    # Only a reply or a refusal of the request itself ends the repeats.
                    may_pass = error.status == 429 or not 400 <= error.status < 500
                    is_unknown, error.effect = True, "unknown"
                pause = _pause(attempt) if error.retry_after is None else error.retry_after
                if not may_pass or time.monotonic() + pause >= until:
                    raise
            time.sleep(pause)
            attempt += 1

    def _attempt(self, method, path, body, seconds):
        idle = self._idle.setdefault(os.getpid(), [])
        no_effect, lost = ("notApplied", "unknown") if method == "POST" else ("none", "none")
        try:
            connection = idle.pop()
        except IndexError:
            connection = self._connection()
        try:
            if connection.sock is None:
                connection.connect()
        except OSError as error:
            raise _disconnected(f"cannot connect to {self.address}: {error}", no_effect) from error
        try:
            connection.sock.settimeout(seconds)
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            why = f"the connection broke before the reply: {error!r}"
            raise _disconnected(why, lost) from error
        idle.append(connection)
        try:
            reply = json.loads(text)
        except ValueError:
            reply = None
        if response.status == 200 and isinstance(reply, dict):
            return reply
        after = response.getheader("retry-after", "")
        after = int(after) if after.isdigit() and response.status in (429, 503) else None
        if isinstance(reply, dict) and "effect" in reply:
            type, detail, effect = reply["type"], reply["detail"], reply["effect"]
            raise StoreError(type, response.status, detail, effect, after)
        # A proxy replied, and not the server.
        effect = no_effect if 300 <= response.status < 500 else lost
        why = "the reply is not one of orderstore"
        raise StoreError("about:blank", response.status, why, effect, after)

    def _connection(self):
        if self.address.startswith("unix:"):
            return _UnixConnection(self.address[len("unix:"):], ANSWER_SECONDS)
        url = urlsplit(self.address)
        if url.scheme != "http" or url.hostname is None:
            raise ValueError("expected unix:PATH or http://HOST:PORT as the address")
        return http.client.HTTPConnection(url.hostname, url.port, timeout=ANSWER_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(self.timeout)
            made.connect(self._path)
        except OSError:
            made.close()
            raise
        self.sock = made


def _order(no, rest=""):
    return f"/v1/orders/{quote(no, safe='')}{rest}"


def _disconnected(detail, effect):
    return StoreError("urn:orderstore:client:disconnected", 0, detail, effect)


def _is_open(error):
    return error.effect == "unknown" or error.retry_after is not None


def _pause(attempt):
    return min(0.02 * 2 ** min(attempt, 4), 0.25)
