"""The four steps of a WeChat mini-program payment.

Run it with a running server: `python3 example.py unix:/run/shop/orders.sock`.
"""

import json
import sys
import time

from orderstore import Client, outcome

client = Client(sys.argv[1])

# 1. The customer orders. The amount comes from your price list, in fen.
no = client.new_order_no()
created = client.create(no, {"appid": "wxd2565e6a04246fd1", "totalFee": 1990,
                             "_openid": "oZWaC4xeOVCUkip5njeEeXi1TEsk"})
assert outcome(created) == "created", created

# 2. Your server asks WeChat for a prepay_id, and records it.
client.record_prepay(no, {"kind": "JSAPI", "value": "wx201410272009395522657a690389285100"})

# 3. The mini-program calls wx.requestPayment, and the customer pays.

# 4. WeChat notifies your server, which has checked the signature.
payment = {"transactionId": "4200" + no[-24:], "paidFee": 1990, "timeEnd": int(time.time() * 1000),
           "source": {"callback": {"notifyId": "EV-2018022511223320873"}}}
reply = client.confirm(no, payment)
assert reply["acknowledge"], reply  # durable: reply "received" to WeChat

print(json.dumps(client.get(no)))
