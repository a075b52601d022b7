/**
 * Client of the HTTP API of orderstore: one file, standard library only.
 *
 * Connects to a Unix socket or to a loopback address, and keeps its connections open. Requests may
 * run at the same time. Processes of a cluster each make their own client.
 *
 * Fields have the names of the API (`totalFee`, `transactionId`). Amounts are integers in fen: the
 * server refuses 19.9, and every amount above 2^53 - 1. Cursors and sums are strings.
 */
'use strict';
const http = require('node:http');

// The server replies to a command within 30 seconds. Later than this, the connection is broken.
const ANSWER_MS = 40_000;

/**
 * Failure of a request. `type` is the URN of the problem, `status` the HTTP status (0 without a
 * reply), `detail` the cause. `effect` is `notApplied`, `unknown` (applied completely or not at
 * all: send the same command again until it gets a reply) or `none` (the request had no command).
 */
class StoreError extends Error {
  constructor({ type, status, detail, effect }, retryAfterMs) {
    super(`${detail} (${type}, status ${status}, effect ${effect})`);
    Object.assign(this, { name: 'StoreError', type, status, detail, effect, retryAfterMs });
  }
}

/** Returns the name of a reply's outcome, which is a text or an object with one field. */
function outcome(reply) {
  return typeof reply.outcome === 'string' ? reply.outcome : Object.keys(reply.outcome)[0];
}

/** Client of one server. */
class Client {
  /**
   * `address` is `unix:PATH` or `http://127.0.0.1:PORT`. `limit` is the time in seconds in which
   * the client repeats a request. The last attempt may end up to 40 seconds later.
   */
  constructor(address, { token, limit = 60 } = {}) {
    this.address = address;
    this.limitMs = limit * 1000;
    this.target = target(address);
    this.headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.agent = new http.Agent({ keepAlive: true });
  }

  /** Closes the idle connections. */
  close() {
    this.agent.destroy();
  }

  // The four steps of a payment.

  /** Draws an order number that the store never issues again. */
  async newOrderNo() {
    return (await this.newOrderNos(1))[0];
  }

  /** Draws up to 1,024 order numbers. */
  async newOrderNos(count) {
    return (await this.#send('POST', '/v1/order-numbers', { count })).outTradeNos;
  }

  /** Creates an order. Requires `appid` and `totalFee`. */
  create(no, fields) {
    return this.#send('POST', '/v1/orders', { outTradeNo: no, ...fields });
  }

  /** Records the channel's prepay. Requires `kind` and `value`. */
  recordPrepay(no, fields) {
    return this.#send('POST', order(no, '/prepay'), fields);
  }

  /**
   * Records a payment that you have verified. Requires `transactionId`, `paidFee`, `timeEnd` and
   * `source`. Reply "received" to the channel only if `acknowledge` is true.
   */
  confirm(no, fields) {
    return this.#send('POST', order(no, '/confirm'), fields);
  }

  // Other commands.

  /** Reserves a refund. Requires `refundNo`, `transactionId` and `amount`. */
  requestRefund(no, fields) {
    return this.#send('POST', order(no, '/refunds'), fields);
  }

  /** Records the channel's report. Requires `transactionId`, `amount` and `state`. */
  recordRefund(no, refundNo, fields) {
    return this.#send('POST', order(no, `/refunds/${encodeURIComponent(refundNo)}/record`), fields);
  }

  /** Runs any command under the name that it has in a batch, such as `beginClose`. */
  async command(name, no, fields = {}) {
    const [result] = await this.batch([{ command: name, outTradeNo: no, ...fields }]);
    if (result instanceof StoreError) throw result;
    return result;
  }

  /**
   * Runs up to 1,024 commands, and returns a reply or a `StoreError` for each. `minimal` leaves the
   * orders out of the replies. If the call throws, send the whole batch again.
   */
  async batch(commands, { minimal = false } = {}) {
    const until = performance.now() + this.limitMs;
    const path = minimal ? '/v1/batch?return=minimal' : '/v1/batch';
    const results = new Array(commands.length);
    let todo = [...commands.keys()];
    for (let attempt = 0; ; attempt++) {
      const body = { commands: todo.map((i) => commands[i]) };
      const found = (await this.#send('POST', path, body, { until })).results;
      todo.forEach((i, at) => {
        if (found[at].reply) results[i] = found[at].reply;
        else if (results[i]?.effect !== 'unknown') results[i] = problemOf(found[at].problem);
      });
      // Commands with a reply keep it. Only the others are sent again.
      todo = todo.filter((i) => results[i] instanceof StoreError && isOpen(results[i]));
      const wait = pause(attempt);
      if (todo.length === 0 || performance.now() + wait >= until) return results;
      await sleep(wait);
    }
  }

  // Reads.

  /** Returns an order. Throws the problem `order-not-found` if there is none. */
  get(no) {
    return this.read(order(no));
  }

  /** Returns the events of an order. */
  async history(no) {
    return (await this.read(order(no, '/history'))).events;
  }

  /**
   * Returns a page of orders, newest first: `rows`, and `next` for the parameter `cursor`. The
   * other parameters are those of the API, such as `openid`, `status` and `limit`.
   */
  orders(query = {}) {
    return this.read('/v1/orders', query);
  }

  /**
   * Returns the events after a cursor, and waits up to `wait` seconds for the first one. Store the
   * cursor `next` with your own data, and pass it as `after`.
   */
  feed({ after, wait = 30, limit = 100 } = {}) {
    return this.read('/v1/feed', { after, wait, limit });
  }

  /** Returns the number of orders by status, of unclaimed payments and of open anomalies. */
  counts() {
    return this.read('/v1/counts');
  }

  /** Reads any route of the API, such as `/v1/due`. */
  read(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => (value ?? null) !== null);
    const text = new URLSearchParams(given).toString();
    const waitMs = (query.wait ?? 0) * 1000;
    return this.#send('GET', text ? `${path}?${text}` : path, undefined, { waitMs });
  }

  // Requests.

  /**
   * Sends a request, and repeats it with the same body until it is answered or `limit` has passed.
   *
   * Why a repeat is safe: every command names its order, payment or refund itself. The store
   * recognizes a second copy and applies nothing twice. The reply then shows what the first copy
   * did: `exists` in place of `created`, `duplicate` in place of `applied`. A lost order number is
   * never issued again. A command that was `unknown` once stays so until it gets a reply: a later
   * `notApplied` is about the later copy only.
   */
  async #send(method, path, fields, { waitMs = 0, until = performance.now() + this.limitMs } = {}) {
    const body = fields === undefined ? undefined : JSON.stringify(fields);
    let isUnknown = false;
    for (let attempt = 0; ; attempt++) {
      let wait = pause(attempt);
      try {
        return await this.#attempt(method, path, body, ANSWER_MS + waitMs);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        let mayPass = error.status === 0 || error.retryAfterMs !== undefined;
        if (isUnknown || error.effect === 'unknown') {
          // Only a reply or a refusal of the request itself ends the repeats.
          mayPass = error.status === 429 || error.status < 400 || error.status >= 500;
          isUnknown = true;
          error.effect = 'unknown';
        }
        wait = error.retryAfterMs ?? wait;
        if (!mayPass || performance.now() + wait >= until) throw error;
      }
      await sleep(wait);
    }
  }

  async #attempt(method, path, body, timeoutMs) {
    const [noEffect, lost] = method === 'POST' ? ['notApplied', 'unknown'] : ['none', 'none'];
    const exchange = this.#exchange(method, path, body, timeoutMs);
    const { status, headers, text } = await exchange.catch((error) => {
      if (error.syscall === 'connect') {
        throw disconnected(`cannot connect to ${this.address}: ${error.message}`, noEffect);
      }
      throw disconnected(`the connection broke before the reply: ${error.message}`, lost);
    });
    const reply = parse(text);
    const isObject = typeof reply === 'object' && reply !== null;
    if (status === 200 && isObject) return reply;
    const after = [429, 503].includes(status) ? headers['retry-after'] : undefined;
    const afterMs = /^\d+$/.test(after ?? '') ? Number(after) * 1000 : undefined;
    if (isObject && reply.effect !== undefined) throw new StoreError({ ...reply, status }, afterMs);
    // A proxy replied, and not the server.
    const effect = status >= 300 && status < 500 ? noEffect : lost;
    const detail = 'the reply is not one of orderstore';
    throw new StoreError({ type: 'about:blank', status, detail, effect }, afterMs);
  }

  #exchange(method, path, body, timeoutMs) {
    const headers = { ...this.headers };
    if (body !== undefined) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = Buffer.byteLength(body);
    }
    return new Promise((resolve, reject) => {
      const options = { ...this.target, agent: this.agent, method, path, headers };
      const request = http.request(options, (response) => {
        const { statusCode: status, headers } = response;
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => resolve({ status, headers, text: Buffer.concat(parts).toString() }));
      });
      const timer = setTimeout(() => request.destroy(new Error('no reply in time')), timeoutMs);
      request.on('close', () => clearTimeout(timer));
      request.on('error', reject);
      request.end(body);
    });
  }
}

function target(address) {
  if (address.startsWith('unix:')) {
    return { socketPath: address.slice('unix:'.length), host: 'localhost' };
  }
  const url = new URL(address);
  if (url.protocol !== 'http:') {
    throw new TypeError('expected unix:PATH or http://HOST:PORT as the address');
  }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || 80 };
}

function order(no, rest = '') {
  return `/v1/orders/${encodeURIComponent(no)}${rest}`;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function disconnected(detail, effect) {
  return new StoreError({ type: 'urn:orderstore:client:disconnected', status: 0, detail, effect });
}

/** Error of one command of a batch. */
function problemOf(problem) {
  const { retryAfter } = problem;
  return new StoreError(problem, retryAfter === undefined ? undefined : retryAfter * 1000);
}

function isOpen(error) {
  return error.effect === 'unknown' || error.retryAfterMs !== undefined;
}

function pause(attempt) {
  return Math.min(20 * 2 ** attempt, 250);
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

module.exports = { Client, StoreError, outcome };
