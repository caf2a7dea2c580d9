// The browser's time zone: the server learns it at the first visit, and then draws the page in that zone.

export function rememberTimeZone(): void {
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isKnown = document.cookie.split('; ').some((cookie) => cookie.startsWith('tz='));
  if (isKnown || !zone) return;
  document.cookie = `tz=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=strict`;
  const isShown = document.querySelector<HTMLInputElement>('[data-time-zone]')?.value === zone;
  // If cookies are refused, the page stays as it is.
  if (!isShown && !new URLSearchParams(location.search).has('tz') && document.cookie.includes('tz='))
    location.reload();
}
