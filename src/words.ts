// Formats counts and spans, and makes text from outside safe to show. Pure; imports nothing.

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** At most seven characters: up to "999,999", then "2,147 M". */
export function shortCount(value: number): string {
  return value < 1_000_000
    ? value.toLocaleString('en-US')
    : `${Math.floor(value / 1_000_000).toLocaleString('en-US')} M`;
}

/** "85 bytes", "3.2 kB", "14.0 MB", "2.1 GB" */
export function dataSize(bytes: number): string {
  if (bytes < 1_000) return plural(bytes, 'byte');
  const steps = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** steps).toFixed(1)} ${['', 'kB', 'MB', 'GB'][steps]}`;
}

/** "85 ms", "3.2 s", "14 min", "5 h", "12 days", "3 years" */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.max(0, Math.round(ms))} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  const days = seconds / 86_400;
  return days < 1_000 ? `${Math.round(days)} days` : `${Math.round(days / 365.25)} years`;
}

/** "3 min ago", for a time in the past. */
export function ago(at: Date | string, now = Date.now()): string {
  return `${duration(now - new Date(at).getTime())} ago`;
}

/** Replaces control characters and direction marks, so that they cannot reach the terminal. */
export function printable(value: string | number | boolean | null): string {
  if (typeof value === 'number') return value.toLocaleString('en-US');
  return String(value).replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    '\u{fffd}',
  );
}

/** At most `width` characters; "…" shows where text was cut off. */
export function clip(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}
