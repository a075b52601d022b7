// The questions that a person answers before money moves or an order ends. Each is a dialog
// whose first button is "cancel", so that Enter does nothing.

import { at, t, yuan } from './common.js';

/** Whether a person confirms a dialog. One that is open already is not asked again. */
function confirms(dialog) {
  if (dialog.open) return Promise.resolve(false);
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((over) => {
    dialog.addEventListener('close', () => over(dialog.returnValue === 'yes'), { once: true });
  });
}

/** Whether so much money of this order goes back; `again` names the attempt of a retry. */
export function confirmed(no, amount, again = null) {
  const dialog = at('confirm');
  if (dialog.open) return Promise.resolve(false);
  at('confirm-amount').textContent = yuan(amount);
  at('confirm-no').textContent = no;
  at('confirm-again').hidden = !again;
  at('confirm-again').textContent = again ? t('confirmAgain', again) : '';
  return confirms(dialog);
}

/** Why a person ends this order; null where they do not. */
export async function endConfirmed(no) {
  const dialog = at('confirm-end');
  if (dialog.open) return null;
  at('end-no').textContent = no;
  at('end-note').value = '';
  return await confirms(dialog) ? at('end-note').value.trim() : null;
}
