// Reads a scrape: the parts of Prometheus' text format that are used here.
export type Sample = { labels: Record<string, string>; value: number };

export type Scrape = {
  /** Metric families that are declared, with or without samples. */
  families: Map<string, { type: string; help: string }>;
  samples(name: string): Sample[];
  /** The value of the only sample whose labels include these. */
  value(name: string, labels?: Record<string, string>): number | undefined;
};

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\.)*)"(?:,|$)/g;

/** Throws for an invalid line, and for a sample of an undeclared family. */
export function parseScrape(text: string): Scrape {
  const families: Scrape['families'] = new Map();
  const all = new Map<string, Sample[]>();
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment) {
      const [, kind, name = '', rest = ''] = comment;
      if (kind === 'HELP' && families.has(name)) throw new Error(`declared twice: ${name}`);
      const family = families.get(name) ?? { type: '', help: '' };
      families.set(name, kind === 'HELP' ? { ...family, help: rest } : { ...family, type: rest });
      continue;
    }
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    const family = families.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (!families.has(family)) throw new Error(`no sample of a declared metric: ${line}`);
    const read = [...labels.matchAll(LABEL)].map(([, key = '', quoted = '']) => [key, quoted]);
    const samples = all.get(name) ?? [];
    samples.push({
      labels: Object.fromEntries(read) as Record<string, string>,
      value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value),
    });
    all.set(name, samples);
  }
  const samples = (name: string) => all.get(name) ?? [];
  return {
    families,
    samples,
    value(name, labels = {}) {
      const found = samples(name).filter((sample) =>
        Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
      );
      if (found.length > 1) throw new Error(`several samples of ${name}`);
      return found[0]?.value;
    },
  };
}
