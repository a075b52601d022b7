// Program that the tests run: `node driver.js (rules|tour|load) ADDRESS [LEDGER ORDERS]`.
'use strict';
const fs = require('node:fs');
const { Client, StoreError, outcome } = require('./orderstore.js');

const APPID = 'wxd2565e6a04246fd1';
const WORKERS = 4;
const BATCH = 25;

/** Returns the outcome of a call, or its error. */
async function word(call) {
  try {
    return outcome(await call);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return `${error.effect} ${error.status} ${error.type.split(':').pop()}`;
  }
}

const order = (fee) => ({ appid: APPID, totalFee: fee });
const payment = (no, fee) => ({
  transactionId: `4200${no.slice(-24)}`, paidFee: fee, timeEnd: Date.now(), source: 'query',
});
const named = (command, no, fields) => ({ command, outTradeNo: no, ...fields });

/** Meets a server that fails by a script. */
async function rules(address) {
  const client = new Client(address, { token: 'secret', limit: 3 });
  for (const no of ['cut', 'busy', 'poisoned', 'half']) {
    console.log(no, await word(client.create(no, order(1))));
  }
  const commands = ['A', 'B', 'C'].map((no) => named('create', no, order(1)));
  console.log('batch', ...(await client.batch(commands)).map(outcome));
  console.log('get', await word(client.get('none')));
  const dead = new Client('http://127.0.0.1:1', { limit: 0.1 });
  console.log('dead', await word(dead.create('A', order(1))));
  client.close();
}

/** Uses each method on a store that has only the order of the example. */
async function tour(address) {
  const client = new Client(address);
  const [a, b, c, d] = await client.newOrderNos(4);
  for (const no of [a, b, c]) {
    console.log('create', await word(client.create(no, { _openid: 'oTour', ...order(100) })));
  }
  console.log('amount', await word(client.create(d, order(19.9))));
  console.log('prepay', await word(client.recordPrepay(a, { kind: 'JSAPI', value: 'wx1' })));
  console.log('confirm', await word(client.confirm(a, payment(a, 100))));
  const refund = { transactionId: payment(a, 100).transactionId, amount: 40 };
  console.log('refund', await word(client.requestRefund(a, { refundNo: 'R|1', ...refund })));
  console.log('report', await word(client.recordRefund(a, 'R|1', { state: 'SUCCESS', ...refund })));
  console.log('close', await word(client.command('beginClose', b)));
  const first = await client.orders({ openid: 'oTour', limit: 2 });
  const second = await client.orders({ openid: 'oTour', limit: 2, cursor: first.next });
  console.log('pages', first.rows.length, second.rows.length, second.next === null);
  const some = await client.orders({ openid: 'oTour', status: 'success,closing' });
  console.log('status', some.rows.length);
  console.log('history', (await client.history(a)).length);
  console.log('fee', (await client.get(a)).totalFee);
  const { success, closing, wait } = (await client.counts()).byStatus;
  console.log('counts', success, closing, wait);
  const feed = await client.feed({ wait: 0, limit: 1000 });
  const later = await client.feed({ after: feed.next, wait: 1 });
  console.log('feed', feed.events.length, later.events.length);
  console.log('anomalies', (await client.read('/v1/anomalies', { reverse: true })).rows.length);
  client.close();
}

/** Creates and pays orders, and writes each outcome to the ledger. */
async function load(address, ledger, orders) {
  const client = new Client(address);
  const file = fs.openSync(ledger, 'a');
  const tell = (no, fee, step, reply) => {
    if (reply instanceof StoreError) throw reply;
    fs.writeSync(file, `${no} ${fee} ${step} ${outcome(reply)}\n`);
  };
  const work = async () => {
    for (let begin = 0; begin < orders / WORKERS / 2; begin += BATCH) {
      const nos = await client.newOrderNos(BATCH);
      const fee = (i) => 100 + begin + i;
      const creates = nos.map((no, i) => named('create', no, order(fee(i))));
      (await client.batch(creates)).forEach((reply, i) => tell(nos[i], fee(i), 'create', reply));
      const confirms = nos.map((no, i) => named('confirm', no, payment(no, fee(i))));
      const confirmed = await client.batch(confirms, { minimal: true });
      confirmed.forEach((reply, i) => tell(nos[i], fee(i), 'confirm', reply));
      for (const no of await client.newOrderNos(BATCH)) {
        tell(no, 7, 'create', await client.create(no, order(7)));
        tell(no, 7, 'confirm', await client.confirm(no, payment(no, 7)));
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  client.close();
}

const [mode, address, ledger, orders] = process.argv.slice(2);
({ rules, tour, load })[mode](address, ledger, Number(orders));
