// An id is shown shortened. Copying it gives the whole id.

export function copyWholeIds(): void {
  document.addEventListener('copy', (event) => {
    const selection = getSelection();
    const chosen = selection?.toString().trim() ?? '';
    const id = selection?.anchorNode?.parentElement?.closest<HTMLElement>('[data-copy]')?.dataset['copy'];
    if (id === undefined || chosen === '' || !id.startsWith(chosen)) return;
    event.clipboardData?.setData('text/plain', id);
    event.preventDefault();
  });
}
