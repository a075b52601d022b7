// The operator's view: what stands in the books, what waits for a person, and what a person
// may do about it.
//
// - It shows what the server says and decides nothing: each action is asked for, and what
//   became of it is read anew.
// - Pages go by cursors; those that were passed are kept, so that one can go back.
// - A refund keeps its number until the server answered that it took it, so that a second
//   tap is the same refund.

import { ask, at, badge, el, excuse, facts, fenOf, knows, path, random, speak, t, time, yuan }
  from './common.js';

const words = {
  zh: {
    figures: '总览', orders: '订单', byStatus: '状态', byOpenid: '用户（openid）',
    byNo: '或直接输入商户订单号', all: '全部', search: '查询', previous: '上一页', next: '下一页', page: '第 {n} 页',
    noOrders: '没有这样的订单。', anomalies: '待处理异常', noAnomalies: '没有待处理的异常。',
    order: '订单详情', openid: '用户', version: '版本', refunded: '已退款', closeAsked: '关单：{no}',
    close: '关单', refund: '退款', refundAmount: '退款金额（元）', refundAsked: '退款已提交：{no}',
    badAmount: '金额要写成元，最多两位小数，不超过 {left}。', ownAnomalies: '异常', refunds: '退款',
    history: '经过', resolve: '处理', note: '说明', accept: '接受', giveBack: '全额退款',
    dismiss: '不予处理', resolved: '异常已处理：{no}', needNote: '请写明处理的理由。',
    totalPaid: '今日收款 {count} 笔', totalRefunded: '今日退款 {count} 笔', open: '未处理', unclaimed: '待认领',
    transactionTaken: '交易已付过别的订单', identityMismatch: '付款人、应用或商户不符',
    amountMismatch: '金额不符', doublePayment: '重复付款', latePayment: '关单后付款',
    refundUnknown: '来历不明的退款', reversed: '付款被撤销', channelDisagrees: '渠道说法不一',
    refundDiffers: '退款内容不符', refundExceeds: '退款超过已付', refundNoTaken: '退款单号重复',
    givenBack: '认领前已退',
    requested: '已申请', processing: '退款中', abnormal: '退款异常',
    refundSuccess: '已退款', refundClosed: '未退',
    accepted: '已接受', dismissed: '不予处理', settled: '自行了结',
    transactionId: '微信支付订单号', refundNo: '退款单号', totalFee: '金额', paidFee: '实付',
    expected: '应付', found: '实付', available: '可退', field: '字段', by: '已付订单', first: '首笔交易',
    createdEvent: '下单', annotatedEvent: '附注', prepayRecordedEvent: '预支付', checkedEvent: '查询了渠道',
    closeBeganEvent: '开始关单', closeAbortedEvent: '取消关单', closedEvent: '已关闭', failedEvent: '已撤销',
    paidEvent: '付款', paidLateEvent: '关单后付款', anomalyRaisedEvent: '发现异常',
    anomalyReclassifiedEvent: '异常改类', anomalyEndedEvent: '异常了结', hiddenEvent: '用户隐藏',
    unhiddenEvent: '恢复显示', refundOpenedEvent: '申请退款', refundMovedEvent: '退款进展',
    importedEvent: '迁入', refundCheckedEvent: '查询了退款',
  },
  en: {
    figures: 'Overview', orders: 'Orders', byStatus: 'State', byOpenid: 'User (openid)',
    byNo: 'or one order number', all: 'all', search: 'Search', previous: 'Previous', next: 'Next', page: 'Page {n}',
    noOrders: 'No such orders.', anomalies: 'Waiting for a person',
    noAnomalies: 'Nothing waits for a person.', order: 'Order', openid: 'User', version: 'Version',
    refunded: 'Refunded', closeAsked: 'Close: {no}', close: 'Close', refund: 'Refund',
    refundAmount: 'Refund (yuan)', refundAsked: 'Refund asked for: {no}',
    badAmount: 'An amount in yuan, two decimals at most, not above {left}.',
    ownAnomalies: 'Anomalies', refunds: 'Refunds', history: 'History', resolve: 'Resolve',
    note: 'Why', accept: 'Accept', giveBack: 'Refund all of it', dismiss: 'Nothing to do',
    resolved: 'Resolved: {no}', needNote: 'Please say why.', totalPaid: 'today, {count} paid',
    totalRefunded: 'today, {count} refunded', open: 'open', unclaimed: 'unclaimed',
    transactionTaken: 'transaction paid another order', identityMismatch: 'another payer, app or merchant',
    amountMismatch: 'another amount', doublePayment: 'paid twice', latePayment: 'paid late',
    refundUnknown: 'unknown refund', reversed: 'payment revoked', channelDisagrees: 'channel disagrees',
    refundDiffers: 'refund differs', refundExceeds: 'refunded more than paid',
    refundNoTaken: 'refund number in use', givenBack: 'given back before it was claimed',
    requested: 'asked for', processing: 'under way', abnormal: 'abnormal',
    refundSuccess: 'given back', refundClosed: 'not given back',
    accepted: 'accepted', dismissed: 'nothing to do', settled: 'settled by itself',
    transactionId: 'transaction', refundNo: 'refund number', totalFee: 'amount', paidFee: 'paid',
    expected: 'expected', found: 'found', available: 'available', field: 'field', by: 'paid order',
    first: 'first transaction',
    createdEvent: 'created', annotatedEvent: 'annotated', prepayRecordedEvent: 'prepaid',
    checkedEvent: 'channel asked', closeBeganEvent: 'close began', closeAbortedEvent: 'close aborted',
    closedEvent: 'closed', failedEvent: 'revoked', paidEvent: 'paid', paidLateEvent: 'paid late',
    anomalyRaisedEvent: 'anomaly raised', anomalyReclassifiedEvent: 'anomaly reclassified',
    anomalyEndedEvent: 'anomaly ended', hiddenEvent: 'hidden', unhiddenEvent: 'shown again',
    refundOpenedEvent: 'refund asked for', refundMovedEvent: 'refund moved',
    importedEvent: 'imported', refundCheckedEvent: 'channel asked about a refund',
  },
};

const LIMIT = 10;
const state = { stats: null, order: null, events: [], refundNo: null, saying: null };
const orders = pager('orders', (cursor) => path('/orders', { ...filter(), limit: LIMIT, cursor }));
const anomalies = pager('anomalies', (cursor) => path('/anomalies', { limit: LIMIT, cursor }));

/** A list that is shown a page at a time, with the cursors of the pages before this one. */
function pager(name, address) {
  return { name, address, rows: [], next: null, cursors: [null] };
}

async function load(list) {
  const said = await ask(list.address(list.cursors.at(-1)));
  list.rows = said[list.name];
  list.next = said.next;
}

function turn(list, move) {
  move(list.cursors);
  return attempt(async () => {
    await load(list);
    redraw();
  });
}

function filter() {
  return { openid: at('by-openid').value.trim(), status: at('by-status').value };
}

// What the page says.

function say(key, values = {}) {
  state.saying = key && { key, values };
  at('complaint').textContent = '';
  at('status').textContent = key ? t(key, values) : '';
}

/** Does something that may be refused, and says so where it was. */
async function attempt(action) {
  try {
    await action();
  } catch (why) {
    say(null);
    at('complaint').textContent = excuse(why);
  }
}

function redraw() {
  drawCounts();
  drawPager(orders, orders.rows.map(row));
  drawPager(anomalies, anomalies.rows.map((it) => anomaly(it, it.outTradeNo, true)));
  drawOrder();
  if (state.saying) at('status').textContent = t(state.saying.key, state.saying.values);
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
    ...Object.entries(counts).map(([name, count]) =>
      tile(wordOf(name), String(count), { 'data-status': name })),
    tile(t('anomalies'), String(openAnomalies), { 'data-total': 'openAnomalies' }),
  );
}

function drawPager(list, rows) {
  at(list.name).replaceChildren(...rows);
  at(`no-${list.name}`).hidden = rows.length > 0;
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

// One order.

function drawOrder() {
  const order = state.order;
  at('order').hidden = !order;
  if (!order) return;
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
  at('close').hidden = !['wait', 'closing'].includes(order.status);
  at('refund').hidden = !paid || left === 0;
  at('own-anomalies').hidden = order.anomalies.length === 0;
  at('order-anomalies').replaceChildren(...order.anomalies.map((it) => anomaly(it, order.outTradeNo)));
  at('own-refunds').hidden = order.refunds.length === 0;
  at('refunds').replaceChildren(...order.refunds.map(refund));
  at('history').replaceChildren(...state.events.map(happened));
}

/** What went back and what is left of the order's own transaction; the server checks it. */
function money(order) {
  const own = order.refunds.filter((it) => !it.transactionId || it.transactionId === order.transactionId);
  const sum = (some) => some.reduce((all, it) => all + it.amount, 0);
  return {
    refunded: sum(own.filter((it) => it.status === 'success')),
    left: Math.max(order.totalFee - sum(own.filter((it) => it.status !== 'closed')), 0),
  };
}

function refund(it) {
  return el('li', { 'data-refund': it.refundNo, 'data-status': it.status },
    el('code', {}, it.refundNo), ' ', el('span', { class: 'price' }, yuan(it.amount)), ' ',
    badge(it.status, refundWord(it.status)));
}

/** A refund shares two words with orders, and means another thing by them. */
function refundWord(status) {
  return { success: t('refundSuccess'), closed: t('refundClosed') }[status] ?? wordOf(status);
}

/** Rust's enums arrive as a word, or as an object with the word as its only key. */
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
  const shown = Object.entries({ ...details, ...paymentOf(it) });
  return el('li', { 'data-anomaly': it.id, 'data-kind': kind, 'data-open': opened && 'true' },
    el('p', { class: 'headed' },
      el('strong', {}, wordOf(kind)),
      el('span', { class: 'badge', 'data-status': opened ? 'closing' : 'closed' }, opened ? t('open') : wordOf(end))),
    elsewhere ? opens(no) : null,
    el('p', { class: 'small' }, time(it.raisedAt), shown.length ? ` · ${shown.map(pair).join(' · ')}` : null),
    it.end?.note ? el('p', { class: 'small' }, `“${it.end.note}”`) : null,
    opened ? resolution(it, no, kind) : null);
}

function paymentOf({ payment }) {
  if (!payment) return {};
  return { transactionId: payment.transactionId, amount: payment.amount ?? payment.totalFee };
}

/** A name and its value as a line of text; amounts as yuan. */
function pair([name, value]) {
  const isMoney = ['amount', 'expected', 'found', 'available', 'totalFee', 'paidFee'].includes(name);
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return `${wordOf(name)} ${isMoney && typeof value === 'number' ? yuan(value) : shown}`;
}

function resolution(it, no, kind) {
  const id = `how-${no}-${it.id}`;
  const note = el('input', { id: `${id}-note`, type: 'text', name: 'note', maxlength: 80, autocomplete: 'off' });
  const how = el('select', { id, name: 'how' },
    ...ways(kind).map(([value, word]) => el('option', { value }, t(word))));
  const send = (event) => {
    event.preventDefault();
    return attempt(() => resolve(no, it.id, how.value, note.value.trim()));
  };
  return el('form', { class: 'filter', 'data-resolve': it.id, submit: send },
    el('div', {}, el('label', { for: id }, t('resolve')), how),
    el('div', { class: 'grow' }, el('label', { for: `${id}-note` }, t('note')), note),
    el('button', { type: 'submit', class: 'main' }, t('resolve')));
}

/** What the store can take for an answer to this kind; it refuses the others. */
function ways(kind) {
  const accepted = ['latePayment', 'identityMismatch'];
  const holding = [...accepted, 'amountMismatch', 'doublePayment', 'unclaimed'];
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

// What a person asks for.

async function read(no) {
  const it = encodeURIComponent(no);
  const [order, history] = await Promise.all([ask(`/orders/${it}`), ask(`/orders/${it}/history`)]);
  if (state.order?.outTradeNo !== no) newRefund();
  Object.assign(state, { order, events: history.events });
}

function show(no) {
  return attempt(async () => {
    await read(no);
    say(null);
    redraw();
    at('order-title').focus();
  });
}

function newRefund() {
  state.refundNo = `R${random(25)}`;
  at('refund-amount').value = '';
}

/** Everything anew, since one action may move an order, a list and the totals. */
async function refresh() {
  const no = state.order?.outTradeNo;
  const [stats] = await Promise.all([ask('/stats'), load(orders), load(anomalies), no && read(no)]);
  state.stats = stats;
  redraw();
}

async function close() {
  const no = state.order.outTradeNo;
  await ask(`/orders/${encodeURIComponent(no)}/close`, {});
  say('closeAsked', { no });
  await refresh();
}

async function giveBack() {
  const { outTradeNo: no } = state.order;
  const { left } = money(state.order);
  const amount = fenOf(at('refund-amount').value);
  say(null);
  if (!amount || amount > left) {
    at('complaint').textContent = t('badAmount', { left: yuan(left) });
    at('refund-amount').focus();
    return;
  }
  await ask(`/orders/${encodeURIComponent(no)}/refund`, { refundNo: state.refundNo, amount });
  newRefund();
  say('refundAsked', { no });
  await refresh();
}

async function resolve(no, id, how, note) {
  say(null);
  if (note === '') {
    at('complaint').textContent = t('needNote');
    return;
  }
  await ask(`/orders/${encodeURIComponent(no)}/anomalies/${id}/resolve`, { how, note });
  say('resolved', { no });
  await refresh();
}

function search(event) {
  event.preventDefault();
  say(null);
  const no = at('by-no').value.trim();
  if (no) return show(no);
  return turn(orders, (cursors) => cursors.splice(0, cursors.length, null));
}

async function start() {
  speak(words, redraw);
  at('filter').addEventListener('submit', search);
  at('reload').addEventListener('click', () => attempt(refresh));
  at('close').addEventListener('click', () => attempt(close));
  at('refund').addEventListener('submit', (event) => {
    event.preventDefault();
    return attempt(giveBack);
  });
  for (const list of [orders, anomalies]) {
    at(`${list.name}-previous`).addEventListener('click', () => turn(list, (cursors) => cursors.pop()));
    at(`${list.name}-next`).addEventListener('click', () => turn(list, (cursors) => cursors.push(list.next)));
  }
  await attempt(refresh);
  document.body.dataset.ready = '';
}

start();
