// Forms that send themselves at every change, and so need no button; and addresses without empty parameters.

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
