// Functions of both pages: texts in two languages, amounts and times, elements, messages, and
// requests to the server.
//
// External data never becomes markup; it is set as text or as an attribute's value. Amounts
// are whole fen; yuan are only formatted and parsed as text, never calculated.

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
    closed: 'closed', failed: 'revoked', latePaid: 'paid after close',
  },
};

const words = { zh: {}, en: {} };
let language = remembered(localStorage, 'language') === 'en' ? 'en' : 'zh';

/** Returns a text in the chosen language with its `{placeholders}` filled in. A missing text is
    shown as its key in brackets. */
export function t(key, values = {}) {
  const word = words[language][key] ?? `[${key}]`;
  return word.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** Returns whether the page has this text. */
export const knows = (key) => Object.hasOwn(words[language], key);

/** Adds the page's own texts, shows them, and calls `redraw` whenever the language changes. */
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

// Current message: one sentence in `#status`, or in `#complaint` after a failure. It is stored as
// a function, so that it follows a change of the language.
const saying = { status: null, complaint: null };

function draw() {
  for (const place of ['status', 'complaint']) at(place).textContent = saying[place]?.() ?? '';
}

function put(place, text) {
  Object.assign(saying, { status: null, complaint: null, [place]: text });
  draw();
}

/** Returns the current message as a function. */
export const said = () => saying.status ?? saying.complaint ?? (() => '');

/** Shows a text of the page; `values()` fills its placeholders. Without a key it clears the message. */
export const say = (key, values = () => ({})) => put('status', key && (() => t(key, values())));

/** Shows an error: one that was thrown, or a text of the page. */
export function complain(why, values = () => ({})) {
  if (why instanceof Error && !(why instanceof Refusal)) console.error(why);
  put('complaint', () => (typeof why === 'string' ? t(why, values()) : excuse(why)));
}

/** Reads a value from a storage; null if the browser blocks storage. */
export function remembered(storage, name) {
  try {
    return storage.getItem(name);
  } catch {
    return null;
  }
}

/** Stores a value, or removes it if the value is null. */
export function remember(storage, name, text) {
  try {
    if (text === null) storage.removeItem(name);
    else storage.setItem(name, text);
  } catch {
    // The browser blocks storage; the page works without it.
  }
}

/** Returns `count` random digits and letters that the channel allows in every number. */
export function random(count) {
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  const bytes = crypto.getRandomValues(new Uint8Array(count));
  return Array.from(bytes, (byte) => alphabet[byte % 32]).join('');
}

/** Returns the element with this ID. */
export const at = (id) => document.getElementById(id);

/** Creates an element. Strings in `inner` are inserted as text, never as markup. */
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

/** Formats whole fen as yuan: 1990 is ¥19.90. */
export function yuan(fen) {
  const digits = String(fen).padStart(3, '0');
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ',');
  return `¥${whole}.${digits.slice(-2)}`;
}

/** Parses an amount in yuan as whole fen, or returns null: "19.9" is 1990. */
export function fenOf(text) {
  const parts = /^(\d{1,12})(?:\.(\d{1,2}))?$/.exec(text.trim());
  return parts && Number(parts[1] + (parts[2] ?? '').padEnd(2, '0'));
}

/** Formats a time of the server as an element, in Beijing time like the channel's records. */
export function time(millis) {
  if (typeof millis !== 'number') return '—';
  return el('time', { datetime: new Date(millis).toISOString() }, clock(millis));
}

/** Formats a time as text. */
export function clock(millis) {
  const shown = new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'short', timeStyle: 'medium', timeZone: 'Asia/Shanghai',
  });
  return shown.format(new Date(millis));
}

/** Returns a badge with a status as text and colour. */
export function badge(status, word = knows(status) ? t(status) : status ?? t('unknownState')) {
  return el('span', { class: 'badge', 'data-status': status }, word);
}

/** Builds name and value pairs for a `dl`; pairs without a value are left out. */
export function facts(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
}

/** Rejection by the server: a code, its English text, and values for the page's text. */
export class Refusal extends Error {
  constructor(code, why, details) {
    super(why);
    this.code = code;
    this.details = details ?? {};
  }
}

/** Sends a request and returns the answer, or throws a `Refusal`. The time limit is 20 seconds. */
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

/** Returns the text of an error in the chosen language. */
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

/** Returns the text of a channel's code, or the code itself if the page has no text. */
export function reason(code) {
  if (!code) return t('noReason');
  const key = `channel${code}`;
  return knows(key) ? t('reason', { word: t(key), code }) : code;
}

/** Builds a path with its query parameters; those without a value are left out. */
export function path(base, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return given.length ? `${base}?${new URLSearchParams(given)}` : base;
}
