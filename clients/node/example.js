// The four steps of a WeChat mini-program payment: `node example.js unix:/run/shop/orders.sock`.
'use strict';
const assert = require('node:assert');
const { Client, outcome } = require('./orderstore.js');

async function main() {
  const client = new Client(process.argv[2]);

  // 1. The customer orders. The amount comes from your price list, in fen.
  const no = await client.newOrderNo();
  const created = await client.create(no, {
    appid: 'wxd2565e6a04246fd1', _openid: 'oZWaC4xeOVCUkip5njeEeXi1TEsk', totalFee: 1990,
  });
  assert.equal(outcome(created), 'created');

  // 2. Your server asks WeChat for a prepay_id, and records it.
  await client.recordPrepay(no, { kind: 'JSAPI', value: 'wx201410272009395522657a690389285100' });

  // 3. The mini-program calls wx.requestPayment, and the customer pays.

  // 4. WeChat notifies your server, which has checked the signature.
  const reply = await client.confirm(no, {
    transactionId: `4200${no.slice(-24)}`, paidFee: 1990, timeEnd: Date.now(),
    source: { callback: { notifyId: 'EV-2018022511223320873' } },
  });
  assert(reply.acknowledge); // durable: reply "received" to WeChat

  console.log(JSON.stringify(await client.get(no)));
  client.close();
}

main();
