// What both pages share: words in two languages, money and times as people read them,
// elements, what the page says, and asking the server.
//
// Nothing that comes from outside becomes markup: it is set as text or as an attribute's
// value. Amounts stay whole fen; yuan are written and read as text, never calculated.

import { errors } from './errors.js';

const shared = {
  zh: {
    skip: '跳到正文', pages: '页面', shop: '小店', operator: '订单后台', reload: '刷新',
    orderNo: '商户订单号', transaction: '微信支付订单号', amount: '金额', state: '状态',
    created: '下单时间', paidAt: '付款时间', description: '商品', unknownState: '未知',
    wait: '待支付', success: '支付成功', closing: '正在关单', closed: '已关闭',
    failed: '已撤销', latePaid: '关单后付款',
  },
  en: {
    skip: 'Skip to the content', pages: 'Pages', shop: 'Shop', operator: 'Operator',
    reload: 'Refresh', orderNo: 'Order number', transaction: 'Transaction', amount: 'Amount',
    state: 'State', created: 'Ordered', paidAt: 'Paid', description: 'Goods',
    unknownState: 'unknown', wait: 'to be paid', success: 'paid', closing: 'being closed',
    closed: 'closed', failed: 'revoked', latePaid: 'paid late',
  },
};

const words = { zh: {}, en: {} };
let language = remembered(localStorage, 'language') === 'en' ? 'en' : 'zh';

/** A word of the page in the language chosen, its `{places}` filled in; one that is missing
    stands in brackets. */
export function t(key, values = {}) {
  const word = words[language][key] ?? `[${key}]`;
  return word.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** Whether the page knows this word. */
export const knows = (key) => Object.hasOwn(words[language], key);

/** Takes the page's own words, speaks them, and calls `redraw` whenever the language moves. */
export function speak(own, redraw) {
  for (const name of ['zh', 'en']) words[name] = { ...shared[name], ...errors[name], ...own[name] };
  const button = document.getElementById('language');
  button.addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh';
    remember(localStorage, 'language', language);
    translate(button);
    draw();
    redraw();
  });
  translate(button);
}

function translate(button) {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  button.textContent = language === 'zh' ? 'English' : '中文';
  button.lang = language === 'zh' ? 'en' : 'zh-CN';
  for (const it of document.querySelectorAll('[data-t]')) it.textContent = t(it.dataset.t);
  for (const it of document.querySelectorAll('[data-t-label]')) {
    it.setAttribute('aria-label', t(it.dataset.tLabel));
  }
}

// What the page says: one sentence, in `#status` or, where something failed, in `#complaint`.
// It is kept as a function, so that it follows the language.
const saying = { status: null, complaint: null };

function draw() {
  for (const place of ['status', 'complaint']) at(place).textContent = saying[place]?.() ?? '';
}

function put(place, text) {
  Object.assign(saying, { status: null, complaint: null, [place]: text });
  draw();
}

/** What the page says now, as a function. */
export const said = () => saying.status ?? saying.complaint ?? (() => '');

/** Says a word of the page; `values()` are its places. Without a word it says nothing. */
export const say = (key, values = () => ({})) => put('status', key && (() => t(key, values())));

/** Says what is wrong: an error that was thrown, or a word of the page. */
export function complain(why, values = () => ({})) {
  if (why instanceof Error && !(why instanceof Refusal)) console.error(why);
  put('complaint', () => (typeof why === 'string' ? t(why, values()) : excuse(why)));
}

/** What a storage keeps under a name; nothing where the browser keeps nothing. */
export function remembered(storage, name) {
  try {
    return storage.getItem(name);
  } catch {
    return null;
  }
}

/** Keeps a text in a storage, or forgets it where the text is null. */
export function remember(storage, name, text) {
  try {
    if (text === null) storage.removeItem(name);
    else storage.setItem(name, text);
  } catch {
    // The browser keeps nothing: the page goes on without.
  }
}

/** `count` random digits and letters, of an alphabet that the channel allows everywhere. */
export function random(count) {
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  const bytes = crypto.getRandomValues(new Uint8Array(count));
  return Array.from(bytes, (byte) => alphabet[byte % 32]).join('');
}

/** The element with this id, which the page has. */
export const at = (id) => document.getElementById(id);

/** A new element; texts among `inner` become text, whatever stands in them. */
export function el(name, traits = {}, ...inner) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(traits)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') made.addEventListener(key, value);
    else made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...inner.filter((it) => it !== null && it !== undefined));
  return made;
}

/** Whole fen as yuan: 1990 is ¥19.90. */
export function yuan(fen) {
  const digits = String(fen).padStart(3, '0');
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ',');
  return `¥${whole}.${digits.slice(-2)}`;
}

/** Yuan that somebody typed as whole fen, or null: "19.9" is 1990. */
export function fenOf(text) {
  const parts = /^(\d{1,12})(?:\.(\d{1,2}))?$/.exec(text.trim());
  return parts && Number(parts[1] + (parts[2] ?? '').padEnd(2, '0'));
}

/** A time of the server as an element; Beijing time, as the channel's own books. */
export function time(millis) {
  if (typeof millis !== 'number') return '—';
  return el('time', { datetime: new Date(millis).toISOString() }, clock(millis));
}

/** The same as text. */
export function clock(millis) {
  const shown = new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'short', timeStyle: 'medium', timeZone: 'Asia/Shanghai',
  });
  return shown.format(new Date(millis));
}

/** Where an order stands, in words and colour. */
export function badge(status, word = knows(status) ? t(status) : status ?? t('unknownState')) {
  return el('span', { class: 'badge', 'data-status': status }, word);
}

/** Pairs of a name and a value for a `dl`; those without a value are left out. */
export function facts(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
}

/** Why the server did not do it: a code, its English text, and values for the code's words. */
export class Refusal extends Error {
  constructor(code, why, details) {
    super(why);
    this.code = code;
    this.details = details ?? {};
  }
}

/** Asks the server and gives its answer, or throws a `Refusal`; 20 seconds at most. */
export async function ask(path, body) {
  const asked = { cache: 'no-store', signal: AbortSignal.timeout(20_000) };
  if (body !== undefined) {
    Object.assign(asked, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
  let reply, said;
  try {
    reply = await fetch(path, asked);
    const text = await reply.text();
    said = text === '' ? {} : JSON.parse(text);
  } catch (why) {
    throw new Refusal(reply ? String(reply.status) : null, String(why));
  }
  if (!reply.ok) throw new Refusal(said.code ?? String(reply.status), said.error ?? '', said.details);
  return said;
}

/** An error in words for a person. */
export function excuse(why) {
  if (!(why instanceof Refusal)) return t('brokenError');
  if (why.code === null) return t('unreachable');
  const { available, channelCode, from, ...others } = why.details;
  const values = {
    ...others, available: yuan(available ?? 0), channelCode: reason(channelCode), from: clock(from ?? 0),
  };
  const key = `${why.code}Error`;
  return knows(key) ? t(key, values) : t('refused', { why: why.message, code: why.code });
}

/** A code of the channel, with its words where the page has some. */
export function reason(code) {
  if (!code) return t('noReason');
  const key = `channel${code}`;
  return knows(key) ? t('reason', { word: t(key), code }) : code;
}

/** A path with its parameters, those without a value left out. */
export function path(base, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return given.length ? `${base}?${new URLSearchParams(given)}` : base;
}
