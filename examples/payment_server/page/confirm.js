// Confirmation dialogs before money moves or an order ends. The first button of each dialog is
// "cancel", so that Enter does nothing.

import { at, t, yuan } from './common.js';

/** Shows a dialog and returns whether it is confirmed; false if it is already open. */
function confirms(dialog) {
  if (dialog.open) return Promise.resolve(false);
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((over) => {
    dialog.addEventListener('close', () => over(dialog.returnValue === 'yes'), { once: true });
  });
}

/** Asks to confirm a refund of this amount and order; `again` describes the attempt of a retry. */
export function confirmed(no, amount, again = null) {
  const dialog = at('confirm');
  if (dialog.open) return Promise.resolve(false);
  at('confirm-amount').textContent = yuan(amount);
  at('confirm-no').textContent = no;
  at('confirm-again').hidden = !again;
  at('confirm-again').textContent = again ? t('confirmAgain', again) : '';
  return confirms(dialog);
}

/** Asks to confirm the end of an order; returns the reason, or null if cancelled. */
export async function endConfirmed(no) {
  const dialog = at('confirm-end');
  if (dialog.open) return null;
  at('end-no').textContent = no;
  at('end-note').value = '';
  return await confirms(dialog) ? at('end-note').value.trim() : null;
}
