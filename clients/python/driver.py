"""Program that the tests run: `driver.py (rules|tour|load) ADDRESS [LEDGER ORDERS]`."""

import os
import sys
import threading
import time

from orderstore import Client, StoreError, outcome

APPID, WORKERS, BATCH = "wxd2565e6a04246fd1", 4, 25


def word(call, *arguments):
    """Returns the outcome of a call, or its error."""
    try:
        return outcome(call(*arguments))
    except StoreError as error:
        return f"{error.effect} {error.status} {error.type.rpartition(':')[2]}"


def order(fee):
    return {"appid": APPID, "totalFee": fee}


def payment(no, fee):
    now = int(time.time() * 1000)
    return {"transactionId": "4200" + no[-24:], "paidFee": fee, "timeEnd": now, "source": "query"}


def named(command, no, fields):
    return {"command": command, "outTradeNo": no, **fields}


def rules(address):
    """Meets a server that fails by a script."""
    client = Client(address, token="secret", limit=3)
    print("cut", word(client.create, "cut", order(1)))
    for no in ("busy", "poisoned", "half"):
        print(no, word(client.create, no, order(1)))
    commands = [named("create", no, order(1)) for no in ("A", "B", "C")]
    print("batch", *(outcome(reply) for reply in client.batch(commands)))
    print("get", word(client.get, "none"))
    dead = Client("http://127.0.0.1:1", limit=0.1)
    print("dead", word(dead.create, "A", order(1)))


def tour(address):
    """Uses each method on a store that has only the order of the example."""
    client = Client(address)
    a, b, c, d = client.new_order_nos(4)
    for no in (a, b, c):
        print("create", word(client.create, no, {"_openid": "oTour", **order(100)}))
    print("amount", word(client.create, d, order(19.9)))
    print("prepay", word(client.record_prepay, a, {"kind": "JSAPI", "value": "wx1"}))
    print("confirm", word(client.confirm, a, payment(a, 100)))
    refund = {"transactionId": payment(a, 100)["transactionId"], "amount": 40}
    print("refund", word(client.request_refund, a, {"refundNo": "R|1", **refund}))
    print("report", word(client.record_refund, a, "R|1", {"state": "SUCCESS", **refund}))
    print("close", word(client.command, "beginClose", b))
    first = client.orders(openid="oTour", limit=2)
    second = client.orders(openid="oTour", limit=2, cursor=first["next"])
    print("pages", len(first["rows"]), len(second["rows"]), str(second["next"] is None).lower())
    print("status", len(client.orders(openid="oTour", status="success,closing")["rows"]))
    print("history", len(client.history(a)))
    print("fee", client.get(a)["totalFee"])
    by_status = client.counts()["byStatus"]
    print("counts", by_status["success"], by_status["closing"], by_status["wait"])
    feed = client.feed(wait=0, limit=1000)
    print("feed", len(feed["events"]), len(client.feed(after=feed["next"], wait=1)["events"]))
    print("anomalies", len(client.read("/v1/anomalies", reverse=True)["rows"]))


def load(address, ledger, orders):
    """Creates and pays orders, and writes each outcome to the ledger. Both processes use a client
    that is older than the fork: they must not share its connection."""
    client = Client(address)
    client.counts()
    is_parent = os.fork() != 0
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    share, failed = orders // WORKERS, []

    def tell(no, fee, step, reply):
        if isinstance(reply, StoreError):
            raise reply
        os.write(file, f"{no} {fee} {step} {outcome(reply)}\n".encode())

    def work():
        try:
            for begin in range(0, share // 2, BATCH):
                fees = {no: 100 + begin + i for i, no in enumerate(client.new_order_nos(BATCH))}
                creates = [named("create", no, order(fee)) for no, fee in fees.items()]
                for (no, fee), reply in zip(fees.items(), client.batch(creates)):
                    tell(no, fee, "create", reply)
                confirms = [named("confirm", no, payment(no, fee)) for no, fee in fees.items()]
                for (no, fee), reply in zip(fees.items(), client.batch(confirms, minimal=True)):
                    tell(no, fee, "confirm", reply)
                for no in client.new_order_nos(BATCH):
                    tell(no, 7, "create", client.create(no, order(7)))
                    tell(no, 7, "confirm", client.confirm(no, payment(no, 7)))
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(WORKERS // 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = os.waitstatus_to_exitcode(os.wait()[1]) if is_parent else 0
    sys.exit(1 if failed or status else 0)


if __name__ == "__main__":
    if sys.argv[1] == "load":
        load(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    {"rules": rules, "tour": tour}[sys.argv[1]](sys.argv[2])
