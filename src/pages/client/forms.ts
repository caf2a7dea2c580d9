// Forms that send themselves at every change, and so need no button.

export function sendByItself(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>('form[data-sends-itself]')) {
    form.querySelector<HTMLElement>('.send')?.setAttribute('hidden', '');
    form.addEventListener('change', () => form.requestSubmit());
  }
}
