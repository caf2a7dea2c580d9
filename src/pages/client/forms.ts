// Makes forms send themselves at every change, so that they need no button, and keeps empty parameters out of
// addresses.

export function sendByItself(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>('form[data-sends-itself]')) {
    form.querySelector<HTMLElement>('.send')?.setAttribute('hidden', '');
    form.addEventListener('change', () => form.requestSubmit());
  }
  for (const form of document.querySelectorAll<HTMLFormElement>('form[method="get"]'))
    form.addEventListener('formdata', ({ formData }) => {
      for (const name of new Set(formData.keys())) if (formData.get(name) === '') formData.delete(name);
    });
}
