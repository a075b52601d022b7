// The shop page: the part of a mini program that deals with a payment.
//
// - The price comes from the server; the page sends only the name of the item.
// - Each attempt to buy an item has one reference, which is kept until its order has ended. A
//   second tap, a retry and a reload send the same reference, so the server creates one order.
// - Only the server decides whether an order is paid; "Done" makes the page query it.

import {
  ask, at, badge, complain, el, excuse, facts, path, random, remember, remembered, say, speak, t, time,
  yuan,
} from './common.js';

const words = {
  zh: {
    lead: '小程序支付的一生：下单、付款、通知、查询。微信支付由本机的沙箱代替，不会真的扣钱。',
    customer: '顾客', another: '换一位顾客', goods: '商品', buy: '购买', myOrders: '我的订单',
    thisOrder: '这笔订单', noOrders: '还没有订单。', more: '更多', payOn: '继续支付',
    payTitle: '确认支付', password: '支付密码', passwordHelp: '沙箱：任意六位数字，不会离开浏览器。',
    sixDigits: '请输入六位数字。', behaviour: '这一次的支付通知', usual: '照常：重复到确认为止',
    twice: '同时来两次', late: '很晚才来', early: '比付款结果先到', never: '永远不来',
    cancel: '取消', pay: '付款', paidTitle: '支付成功', done: '完成', leave: '不按完成，关掉页面',
    paidHelp: '小程序只有在按了“完成”之后才得到 success 回调。',
    closedTitle: '页面已关闭', reopen: '重新打开小店',
    closedText: '客户端没有按“完成”，也没有再说一句话。服务器靠支付通知和主动查询自己知道结果。',
    ordering: '正在下单……', paying: '正在付款……', asking: '正在确认支付结果……',
    cancelled: '已取消，订单保留，可以继续支付。', ended: '订单状态：{state}',
    paidBefore: '这一单已经付过了，没有再下一单。',
    notPayableError: '上一笔订单已不能支付，请重新下单。',
    referenceTakenError: '上一笔订单已不能支付，请重新下单。',
    channelDownError: '支付渠道没有应答。订单已保存，请再试一次。',
    still: '还没有结果，稍后在“我的订单”里查看。',
  },
  en: {
    lead: 'A mini-program payment from order to result: order, payment, notification, query. A local sandbox replaces WeChat Pay; no real money is charged.',
    customer: 'Customer', another: 'Switch customer', goods: 'Goods', buy: 'Buy',
    myOrders: 'My orders', thisOrder: 'This order', noOrders: 'No orders yet.', more: 'More',
    payOn: 'Pay', payTitle: 'Confirm payment', password: 'Payment password',
    passwordHelp: 'Sandbox: any six digits; they never leave the browser.',
    sixDigits: 'Please enter six digits.', behaviour: 'Notification of this payment',
    usual: 'normal: repeated until acknowledged', twice: 'twice at once', late: 'much later',
    early: 'before the payment result', never: 'never', cancel: 'Cancel', pay: 'Pay',
    paidTitle: 'Paid', done: 'Done', leave: 'Close the page without Done',
    paidHelp: 'The mini program gets its success callback only after you press "Done".',
    closedTitle: 'The page is closed', reopen: 'Reopen the shop',
    closedText: 'The client did not press "Done" and sends nothing more. The server gets the result from the notification or from its own query.',
    ordering: 'Ordering …', paying: 'Paying …', asking: 'Checking the result …',
    cancelled: 'Cancelled. The order is kept and can still be paid.', ended: 'Order state: {state}',
    paidBefore: 'This order was already paid; no second order was created.',
    notPayableError: 'That order can no longer be paid. Please order again.',
    referenceTakenError: 'That order can no longer be paid. Please order again.',
    channelDownError: 'The payment channel does not answer. The order is saved; please try again.',
    still: 'No result yet. Please check "My orders" later.',
  },
};

const PAGE = 5;
const ASKED_MOST = 60;
const state = { goods: [], order: null, orders: [], next: null };
const sheet = { no: null, taps: 0, dismissed: 0 };
let follower = 0;

// Current customer, and the references of their attempts to buy.

function openid() {
  return remembered(localStorage, 'openid') ?? becomeAnother();
}

function becomeAnother() {
  const name = `oDemo_${random(22)}`;
  remember(localStorage, 'openid', name);
  remember(sessionStorage, 'attempts', null);
  return name;
}

function attempts() {
  return JSON.parse(remembered(sessionStorage, 'attempts') ?? '{}');
}

/** Returns the attempt to buy an item; its reference stays the same until its order has ended. */
function attempt(sku) {
  const all = attempts();
  all[sku] ??= { reference: `shop-${random(26)}` };
  remember(sessionStorage, 'attempts', JSON.stringify(all));
  return all[sku];
}

function ordered(sku, outTradeNo) {
  const all = attempts();
  if (all[sku]) all[sku].outTradeNo = outTradeNo;
  remember(sessionStorage, 'attempts', JSON.stringify(all));
}

/** Returns the item that this tab is buying with this order number. */
function skuOf(no) {
  return Object.entries(attempts()).find(([, it]) => it.outTradeNo === no)?.[0];
}

function forget(sku) {
  const { [sku]: _, ...left } = attempts();
  remember(sessionStorage, 'attempts', JSON.stringify(left));
}

/** Forgets the attempts whose orders have ended, so that the next tap creates a new order. */
function forgetEnded(orders) {
  const over = new Set(orders.filter(isOver).map((it) => it.outTradeNo));
  const left = Object.entries(attempts()).filter(([, it]) => !over.has(it.outTradeNo));
  remember(sessionStorage, 'attempts', JSON.stringify(Object.fromEntries(left)));
}

const isOver = (order) => !['wait', 'closing'].includes(order.status);

function redraw() {
  at('openid').textContent = openid();
  at('goods').replaceChildren(...state.goods.map(ware));
  at('orders').replaceChildren(...state.orders.map(bought));
  at('no-orders').hidden = state.orders.length > 0;
  at('more').hidden = !state.next;
  drawOrder();
}

function ware(good) {
  const buy = el('button', {
    type: 'button', class: 'main', 'data-buy': good.sku, click: () => place(good.sku),
    'aria-label': `${t('buy')} ${good.name} ${yuan(good.price)}`,
  }, t('buy'));
  const mark = el('span', { class: 'mark', 'aria-hidden': 'true' }, [...good.name][0] ?? '');
  return el('li', { class: 'card' }, mark,
    el('span', { class: 'name' }, good.name),
    el('span', { class: 'price' }, yuan(good.price)), buy);
}

function bought(order) {
  const sku = order.status === 'wait' && skuOf(order.outTradeNo);
  const on = sku && el('button', {
    type: 'button', class: 'quiet', 'data-pay': order.outTradeNo, click: () => place(sku),
  }, t('payOn'));
  return el('li', { class: 'card', 'data-no': order.outTradeNo, 'data-status': order.status },
    el('span', { class: 'name' }, order.description || order.outTradeNo),
    el('span', { class: 'price' }, yuan(order.totalFee)),
    el('span', { class: 'small' }, el('code', {}, order.outTradeNo), ' · ', time(order.createdAt)),
    el('span', { class: 'end' }, badge(order.status), on || null));
}

function drawOrder() {
  const order = state.order;
  at('order').hidden = !order;
  if (!order) return;
  at('order').dataset.no = order.outTradeNo;
  at('order').dataset.status = order.status;
  at('order-facts').replaceChildren(...facts([
    [t('state'), badge(order.status)],
    [t('description'), order.description],
    [t('amount'), yuan(order.totalFee)],
    [t('orderNo'), el('code', {}, order.outTradeNo)],
    [t('transaction'), order.transactionId && el('code', {}, order.transactionId)],
    [t('paidAt'), order.paidAt && time(order.paidAt)],
  ]));
}

// Ordering. The button stays enabled on purpose: two taps with one reference create one order, and
// so does a request that the network repeats.

async function place(sku) {
  const tap = ++sheet.taps;
  const { reference } = attempt(sku);
  say('ordering');
  try {
    const made = await ask('/wxPay', { openid: openid(), sku, reference });
    ordered(sku, made.outTradeNo);
    if (made.paid) {
      await follow(made.outTradeNo, 'paidBefore');
    } else if (tap > sheet.dismissed && !at('sheet').open) {
      open(made, sku);
    }
  } catch (why) {
    // The order is being closed or belongs to another customer: the next tap creates a new order.
    if (['notPayable', 'referenceTaken'].includes(why.code)) forget(sku);
    if (!at('sheet').open) complain(why);
  }
}

// The password sheet. In a real mini program it belongs to the channel.

function open(made, sku) {
  say(null);
  sheet.no = made.outTradeNo;
  at('sheet-amount').textContent = yuan(made.totalFee);
  at('sheet-description').textContent = state.goods.find((it) => it.sku === sku)?.name ?? '';
  at('sheet-no').textContent = made.outTradeNo;
  at('sheet').dataset.no = made.outTradeNo;
  at('sheet-complaint').textContent = '';
  at('password').value = '';
  step('ask');
  at('sheet').showModal();
  at('password').focus();
}

function step(name) {
  at('sheet').dataset.step = name;
  at('sheet-ask').hidden = name !== 'ask';
  at('sheet-paid').hidden = name !== 'paid';
}

function dismiss() {
  sheet.dismissed = sheet.taps;
  at('sheet').close();
}

async function pay(event) {
  event.preventDefault();
  if (at('sheet').dataset.step !== 'ask' || at('pay').disabled) return;
  if (!/^\d{6}$/.test(at('password').value)) {
    at('sheet-complaint').textContent = t('sixDigits');
    at('password').focus();
    return;
  }
  at('password').value = '';
  at('pay').disabled = true;
  at('sheet-complaint').textContent = t('paying');
  try {
    await ask(`/sandbox/pay/${encodeURIComponent(sheet.no)}`, { behaviour: at('behaviour').value });
    step('paid');
    at('paid').focus();
  } catch (why) {
    at('sheet-complaint').textContent = excuse(why);
  } finally {
    at('pay').disabled = false;
  }
}

async function cancel() {
  dismiss();
  const no = sheet.no;
  try {
    await ask(`/sandbox/cancel/${encodeURIComponent(no)}`, {});
    state.order = await ask(`/orders/${encodeURIComponent(no)}`);
    say('cancelled');
  } catch (why) {
    complain(why);
  }
  drawOrder();
  await loadOrders();
}

function done() {
  dismiss();
  return follow(sheet.no, 'asking');
}

/** Simulates a closed page: stops all queries and hides the content. */
function leave() {
  dismiss();
  follower += 1;
  at('main').hidden = true;
  at('closed').hidden = false;
  at('closed-title').focus();
}

/** Queries an order until it has ended, unless another order is followed meanwhile. */
async function follow(no, words) {
  const mine = ++follower;
  say(words);
  for (let asked = 1; asked <= ASKED_MOST; asked += 1) {
    const order = await look(no);
    if (mine !== follower) return;
    if (order) {
      state.order = order;
      drawOrder();
    }
    if (order && isOver(order)) return ended(order, words);
    await new Promise((over) => setTimeout(over, Math.min(400 * asked, 5_000)));
    if (mine !== follower) return;
  }
  say('still');
}

/** Queries an order once; returns null on failure, and the caller queries again. */
async function look(no) {
  try {
    return await ask(`/orders/${encodeURIComponent(no)}?refresh=1`);
  } catch (why) {
    complain(why);
    return null;
  }
}

async function ended(order, words) {
  forgetEnded([order]);
  if (words === 'paidBefore') say(words);
  else say('ended', () => ({ state: t(order.status) }));
  await loadOrders();
}

// List of the customer's orders, page by page.

async function loadOrders(cursor) {
  try {
    const said = await ask(path('/orders', { openid: openid(), limit: PAGE, cursor }));
    state.orders = cursor ? [...state.orders, ...said.orders] : said.orders;
    state.next = said.next;
    forgetEnded(said.orders);
    redraw();
  } catch (why) {
    complain(why);
  }
}

async function start() {
  speak(words, redraw);
  at('another').addEventListener('click', () => {
    becomeAnother();
    follower += 1;
    Object.assign(state, { order: null, orders: [], next: null });
    say(null);
    return loadOrders();
  });
  at('reload').addEventListener('click', () => loadOrders());
  at('more').addEventListener('click', () => loadOrders(state.next));
  at('pay-form').addEventListener('submit', pay);
  at('cancel').addEventListener('click', cancel);
  at('done').addEventListener('click', done);
  at('leave').addEventListener('click', leave);
  at('reopen').addEventListener('click', () => location.reload());
  // The escape key does the same as the button of the current step.
  at('sheet').addEventListener('cancel', (event) => {
    event.preventDefault();
    return at('sheet').dataset.step === 'paid' ? done() : at('pay').disabled || cancel();
  });
  try {
    state.goods = await ask('/goods');
  } catch (why) {
    complain(why);
  }
  await loadOrders();
  document.body.dataset.ready = '';
}

start();
