// The operator's page: orders, open anomalies, and the actions of the operator.
//
// - The page decides nothing: it sends each action to the server and reads the result again.
// - Lists are paged by cursors; the page keeps earlier cursors, so that it can go back.
// - A refund keeps its number until the server accepts it, so that a second tap is the same
//   refund.
// - A refund that the channel rejected keeps its number for good: requesting the same amount
//   again is its next attempt.
// - A dialog with the amount and the order confirms every movement of money.
// - If an order cannot be read, the page shows no order at all. Buttons of one order must not
//   appear beside the number of another.

import {
  ask, at, badge, clock, complain, el, facts, fenOf, knows, path, random, reason, said, say, speak, t,
  time, yuan,
} from './common.js';
import { confirmed, endConfirmed } from './confirm.js';
import { words } from './operator_words.js';

const LIMIT = 10;
const POLL_MS = 15_000;
const state = { stats: null, stale: false, order: null, events: [], refundNo: null, asked: 0 };
const orders = pager('orders', (cursor) => path('/orders', { ...filter(), limit: LIMIT, cursor }));
const anomalies = pager('anomalies', (cursor) => path('/anomalies', { limit: LIMIT, cursor }));
const closedRefunds = pager('closedRefunds', (cursor) => path('/closedRefunds', { limit: LIMIT, cursor }));
const lists = [orders, anomalies, closedRefunds];

/** Creates a list that is shown page by page, with the cursors of earlier pages. */
function pager(name, address) {
  return { name, address, rows: [], next: null, cursors: [null], asked: 0, isKnown: true };
}

/** Reads a page of a list. The list is empty until the answer arrives, and after a failure. An
    answer to an older request is dropped. */
async function load(list) {
  const mine = ++list.asked;
  Object.assign(list, { rows: [], next: null, isKnown: false });
  const answer = await ask(list.address(list.cursors.at(-1)));
  if (mine !== list.asked) return;
  Object.assign(list, { rows: answer[list.name], next: answer.next, isKnown: true });
}

async function turn(list, move) {
  move(list.cursors);
  await attempt(() => load(list));
  redraw();
}

function filter() {
  return { openid: at('by-openid').value.trim(), status: at('by-status').value };
}

/** Runs an action and shows its error, if any. */
async function attempt(action) {
  try {
    await action();
  } catch (why) {
    complain(why);
  }
}

function redraw() {
  drawAlarms();
  drawCounts();
  drawPager(orders, orders.rows.map(row));
  drawPager(anomalies, anomalies.rows.map((it) => anomaly(it, it.outTradeNo, true)));
  drawPager(closedRefunds, closedRefunds.rows.map((it) => refund(it, it.outTradeNo, true)));
  drawOrder();
}

/** Shows the alarms. They are drawn only after a change, because screen readers read them aloud. */
function drawAlarms() {
  const alarms = (state.stats?.alarms ?? []).map((it) => t('alarm', {
    what: wordOf(it.question, 'Question'), status: it.status, reason: reason(it.code), since: clock(it.since),
  }));
  const lines = state.stale ? [t('stale'), ...alarms] : alarms;
  at('alarms').hidden = lines.length === 0;
  if (at('alarms').dataset.shown === lines.join()) return;
  at('alarms').dataset.shown = lines.join();
  at('alarms').replaceChildren(...lines.map((line) => el('p', { class: 'complaint' }, line)));
}

function drawCounts() {
  if (!state.stats) return;
  const tile = (name, value, traits) =>
    el('div', { class: 'tile', ...traits }, el('dt', {}, name), el('dd', {}, value));
  const { counts, totals, openAnomalies } = state.stats;
  at('counts').replaceChildren(
    tile(t('totalPaid', totals.paid), yuan(totals.paid.fen), { class: 'tile money', 'data-total': 'paid' }),
    tile(t('totalRefunded', totals.refunded), yuan(totals.refunded.fen),
      { class: 'tile money', 'data-total': 'refunded' }),
    ...(totals.returned.count > 0 ? [tile(t('totalReturned', totals.returned), yuan(totals.returned.fen),
      { class: 'tile money', 'data-total': 'returned' })] : []),
    ...Object.entries(counts).map(([name, count]) =>
      tile(wordOf(name), String(count), { 'data-status': name })),
    tile(t('anomalies'), String(openAnomalies), { 'data-total': 'openAnomalies' }),
  );
}

function drawPager(list, rows) {
  at(list.name).replaceChildren(...rows);
  at(`no-${list.name}`).hidden = rows.length > 0 || !list.isKnown;
  at(`${list.name}-previous`).disabled = list.cursors.length === 1;
  at(`${list.name}-next`).disabled = !list.next;
  at(`${list.name}-page`).textContent = t('page', { n: list.cursors.length });
  at(`${list.name}-pager`).hidden = list.cursors.length === 1 && !list.next;
}

function opens(no, traits = {}) {
  return el('button', { type: 'button', class: 'link number', ...traits, click: () => show(no) }, no);
}

function row(order) {
  const cell = (key, inner, traits = {}) => el('td', { 'data-label': t(key), ...traits }, inner);
  const chosen = order.outTradeNo === state.order?.outTradeNo;
  return el('tr', { 'data-no': order.outTradeNo, 'data-status': order.status, 'aria-current': chosen && 'true' },
    cell('orderNo', opens(order.outTradeNo)),
    cell('description', order.description || '—'),
    cell('amount', yuan(order.totalFee), { class: 'right' }),
    cell('state', badge(order.status)),
    cell('created', time(order.createdAt)));
}

// Details of one order.

function drawOrder() {
  const order = state.order;
  at('order').hidden = !order;
  if (!order) {
    delete at('order').dataset.no;
    return;
  }
  at('order').dataset.no = order.outTradeNo;
  at('order').dataset.status = order.status;
  const { refunded, left } = money(order);
  at('order-facts').replaceChildren(...facts([
    [t('state'), badge(order.status)],
    [t('amount'), yuan(order.totalFee)],
    [t('refunded'), refunded > 0 ? yuan(refunded) : null],
    [t('description'), order.description],
    [t('orderNo'), el('code', {}, order.outTradeNo)],
    [t('transaction'), order.transactionId && el('code', {}, order.transactionId)],
    [t('openid'), order.openid && el('code', {}, order.openid)],
    [t('created'), time(order.createdAt)],
    [t('paidAt'), order.paidAt && time(order.paidAt)],
    [t('version'), String(order.version)],
  ]));
  const paid = ['success', 'latePaid'].includes(order.status);
  for (const id of ['close', 'end']) at(id).hidden = !['wait', 'closing'].includes(order.status);
  at('refund').hidden = !paid || left === 0;
  at('own-anomalies').hidden = order.anomalies.length === 0;
  at('order-anomalies').replaceChildren(...order.anomalies.map((it) => anomaly(it, order.outTradeNo)));
  at('own-refunds').hidden = order.refunds.length === 0;
  at('refunds').replaceChildren(...order.refunds.map((it) => refund(it, order.outTradeNo)));
  at('history').replaceChildren(...state.events.map(happened));
}

/** Returns the refunded and the remaining amount of the order's own transaction. The server checks it. */
function money(order) {
  const own = ownRefunds(order);
  const sum = (some) => some.reduce((all, it) => all + it.held, 0);
  return {
    refunded: sum(own.filter((it) => it.status === 'success')),
    left: Math.max(order.totalFee - sum(own), 0),
  };
}

const ownRefunds = (order) =>
  order.refunds.filter((it) => !it.transactionId || it.transactionId === order.transactionId);

function refund(it, no, elsewhere = false) {
  const again = () => attempt(() => retry(no, it));
  return el('li', { 'data-refund': it.refundNo, 'data-status': it.status, 'data-attempt': it.attempt },
    elsewhere ? el('p', {}, opens(no)) : null,
    el('code', {}, it.refundNo), ' ', el('span', { class: 'price' }, yuan(it.amount)), ' ',
    badge(it.status, refundWord(it.status)), it.code ? ` ${reason(it.code)}` : null,
    it.attempt > 1 ? ` ${t('attempts', { n: it.attempt })}` : null,
    it.status === 'closed'
      ? el('p', {}, el('button', { type: 'button', class: 'quiet', 'data-retry': it.refundNo, click: again }, t('retry')))
      : null);
}

/** Returns the text of a refund's status. Two statuses have other texts for orders. */
function refundWord(status) {
  return { success: t('refundSuccess'), closed: t('refundClosed') }[status] ?? wordOf(status);
}

/** Splits a Rust enum from JSON, a string or an object with one key, into name and body. */
function named(it) {
  if (typeof it === 'string') return [it, {}];
  const [name, body] = Object.entries(it ?? {})[0] ?? ['?', {}];
  return [name, typeof body === 'object' && body !== null ? body : { value: body }];
}

const wordOf = (name, suffix = '') => (knows(name + suffix) ? t(name + suffix) : name);

function anomaly(it, no, elsewhere = false) {
  const [kind, details] = named(it.kind);
  const [end] = it.end ? named(it.end.how ?? it.end) : [null];
  const opened = end === null;
  const shown = Object.entries({ ...details, ...paymentOf(it) }).filter(([, value]) => value !== null);
  const openWord = it.reopenings > 0 ? t('reopenedOpen', { n: it.reopenings }) : t('open');
  return el('li', { 'data-anomaly': it.id, 'data-kind': kind, 'data-open': opened && 'true', 'data-reopenings': it.reopenings },
    el('p', { class: 'headed' },
      el('strong', {}, wordOf(kind)),
      el('span', { class: 'badge', 'data-status': opened ? 'closing' : 'closed' }, opened ? openWord : endWord(end))),
    elsewhere ? opens(no) : null,
    el('p', { class: 'small' }, time(it.openedAt), shown.length ? ` · ${shown.map(pair).join(' · ')}` : null),
    it.end?.note ? el('p', { class: 'small' }, `“${it.end.note}”`) : null,
    opened ? resolution(it, no, kind) : null);
}

/** Returns the text of an anomaly's end. Only the refund's own line shows whether it succeeded. */
const endWord = (end) => (end === 'refunded' ? t('refundDecided') : wordOf(end));

function paymentOf({ payment }) {
  if (!payment) return {};
  return { transactionId: payment.transactionId, amount: payment.amount ?? payment.totalFee };
}

/** Formats a name and its value as text; amounts in yuan. */
function pair([name, value]) {
  const isMoney = ['amount', 'expected', 'found', 'available', 'totalFee', 'paidFee'].includes(name);
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return `${wordOf(name)} ${isMoney && typeof value === 'number' ? yuan(value) : shown}`;
}

function resolution(it, no, kind) {
  const id = `how-${no}-${it.id}`;
  const note = el('input', { id: `${id}-note`, type: 'text', name: 'note', maxlength: 80, autocomplete: 'off' });
  const how = el('select', { id, name: 'how' },
    el('option', { value: '' }, t('choose')),
    ...ways(kind).map(([value, word]) => el('option', { value }, t(word))));
  const send = (event) => {
    event.preventDefault();
    return attempt(() => resolve(no, it, how.value, note.value.trim()));
  };
  return el('form', { class: 'filter', 'data-resolve': it.id, submit: send },
    el('div', {}, el('label', { for: id }, t('resolve')), how),
    el('div', { class: 'grow' }, el('label', { for: `${id}-note` }, t('note')), note),
    el('button', { type: 'submit', class: 'main' }, t('resolve')));
}

/** Returns the decisions that the store accepts for this kind of anomaly. */
function ways(kind) {
  const payments = ['latePayment', 'identityMismatch', 'givenBack'];
  const accepted = [...payments, 'refundDiffers', 'refundDisagrees'];
  const holding = [...payments, 'amountMismatch', 'doublePayment', 'unclaimed'];
  return [
    accepted.includes(kind) && ['accept', 'accept'],
    holding.includes(kind) && ['refund', 'giveBack'],
    ['dismiss', 'dismiss'],
  ].filter(Boolean);
}

function happened(event) {
  const [name, body] = named(event.what);
  const { version, at: when, what, outTradeNo, seq, ...rest } = event;
  const told = Object.entries({ ...rest, ...body })
    .filter(([name, it]) => knows(name) && ['string', 'number'].includes(typeof it) && it !== '');
  return el('li', { 'data-version': version, 'data-what': name },
    el('span', { class: 'what' }, wordOf(name, 'Event')),
    el('span', { class: 'small' }, time(when)),
    told.length ? el('span', { class: 'small' }, told.map(pair).join(' · ')) : null);
}

// Actions of the operator.

/** Reads an order, unless another one is requested meanwhile. */
async function read(no) {
  const mine = ++state.asked;
  const it = encodeURIComponent(no);
  const [order, history] = await Promise.all([ask(`/orders/${it}`), ask(`/orders/${it}/history`)]);
  if (mine !== state.asked) return false;
  Object.assign(state, { order, events: history.events });
  return true;
}

/** Closes the order's details. A pending answer is dropped. */
function leave() {
  state.asked += 1;
  Object.assign(state, { order: null, events: [] });
  newRefund();
}

function show(no) {
  say(null);
  leave();
  redraw();
  return attempt(async () => {
    if (!await read(no)) return;
    redraw();
    at('order-title').focus();
  });
}

function newRefund() {
  state.refundNo = `R${random(25)}`;
  at('refund-amount').value = '';
}

/** Reads everything again, because one action may change an order, a list and the totals. */
async function refresh() {
  const no = state.order?.outTradeNo;
  const order = no && read(no).catch((why) => {
    leave();
    throw why;
  });
  const reads = await Promise.allSettled([readStats(), ...lists.map(load), order]);
  redraw();
  const failed = reads.find((it) => it.status === 'rejected');
  if (failed) throw failed.reason;
}

async function readStats() {
  state.stats = await ask('/stats');
  state.stale = false;
}

/** Refreshes alarms and figures, which must appear without a tap. Lists and forms stay unchanged. */
async function poll() {
  try {
    await readStats();
  } catch {
    state.stale = true;
  }
  drawAlarms();
  drawCounts();
}

/** Sends a change of an order, shows the result, and reads everything again. It also reads after a
    rejection, because the server may have recorded the rejection. */
async function change(path, body, report) {
  try {
    report(await ask(path, body));
  } catch (why) {
    // The channel rejected the refund under this number, so the form gets a new number.
    if (why.code === 'refundRefused') newRefund();
    complain(why);
  }
  const before = said();
  try {
    await refresh();
  } catch {
    complain('notReread', () => ({ said: before() }));
  }
}

function close() {
  const no = state.order.outTradeNo;
  return change(`/orders/${encodeURIComponent(no)}/close`, {}, (order) => {
    const key = { closed: 'closeDone', failed: 'closeDone', closing: 'closeWaits' }[order.status];
    say(key ?? 'closePaid', () => ({ no }));
  });
}

async function end() {
  const no = state.order.outTradeNo;
  say(null);
  const note = await endConfirmed(no);
  if (note === null) return undefined;
  if (note === '') return complain('needNote');
  return change(`/orders/${encodeURIComponent(no)}/end`, { note }, () => say('endDone', () => ({ no })));
}

async function giveBack() {
  const { order: { outTradeNo: no }, refundNo } = state;
  const { left } = money(state.order);
  const amount = fenOf(at('refund-amount').value);
  say(null);
  if (!amount || amount > left) {
    complain('badAmount', () => ({ left: yuan(left) }));
    at('refund-amount').focus();
    return undefined;
  }
  // A rejected refund has a code; a refund that the channel closed has none.
  const refused = ownRefunds(state.order)
    .find((it) => it.status === 'closed' && it.code && it.asked === amount);
  if (refused) return retry(no, refused);
  if (!await confirmed(no, amount)) return undefined;
  return askRefund(no, { refundNo, amount, attempt: 1 });
}

/** Starts the next attempt of a failed refund, under its own number. */
async function retry(no, { refundNo, asked, attempt: before }) {
  const again = { refundNo, amount: asked, attempt: before + 1 };
  say(null);
  if (await confirmed(no, asked, again)) await askRefund(no, again);
}

function askRefund(no, asked) {
  return change(`/orders/${encodeURIComponent(no)}/refund`, asked, (order) => {
    newRefund();
    tellRefund(no, order.refund);
  });
}

/** Shows the result of a refund: as a status if it is pending or done, otherwise as an error. */
function tellRefund(no, { status, amount, code }) {
  const values = () => ({ no, amount: yuan(amount), channelCode: reason(code) });
  const good = { success: 'refundDone', processing: 'refundAsked', requested: 'refundWaits' }[status];
  if (good) say(good, values);
  else complain(status === 'abnormal' ? 'refundAbnormal' : 'refundRefusedError', values);
}

async function resolve(no, { id, payment, reopenings }, how, note) {
  say(null);
  if (how === '') return complain('needHow');
  if (note === '') return complain('needNote');
  if (how === 'refund' && !await confirmed(no, payment?.amount)) return undefined;
  const path = `/orders/${encodeURIComponent(no)}/anomalies/${id}/resolve`;
  return change(path, { how, note, reopenings }, (order) => {
    if (order.refund) tellRefund(no, order.refund);
    else say('resolved', () => ({ no }));
  });
}

/** Starts a new search and closes the order that was shown. */
function search(event) {
  event.preventDefault();
  const no = at('by-no').value.trim();
  if (no) return show(no);
  say(null);
  leave();
  return turn(orders, (cursors) => cursors.splice(0, cursors.length, null));
}

async function start() {
  speak(words, redraw);
  newRefund();
  at('filter').addEventListener('submit', search);
  at('reload').addEventListener('click', () => attempt(refresh));
  at('close').addEventListener('click', () => attempt(close));
  at('end').addEventListener('click', () => attempt(end));
  at('refund').addEventListener('submit', (event) => {
    event.preventDefault();
    return attempt(giveBack);
  });
  for (const list of lists) {
    at(`${list.name}-previous`).addEventListener('click', () => turn(list, (cursors) => cursors.pop()));
    at(`${list.name}-next`).addEventListener('click', () => turn(list, (cursors) => cursors.push(list.next)));
  }
  await attempt(refresh);
  setInterval(poll, POLL_MS);
  document.body.dataset.ready = '';
}

start();
