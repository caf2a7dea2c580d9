// The style sheet and the script of the pages, served from here: no page loads anything from another server. The name
// of a file holds a digest of its content, so that browsers may keep it for ever.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Hono } from 'hono';

type Asset = { address: string; content: string; type: string };

export type Assets = { style: Asset; script: Asset };

/** `npm run build` makes the folder. */
export function readAssets(): Assets {
  const candidates = ['./assets', '../../dist/assets'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const folder = candidates.find((path) => existsSync(path));
  if (folder === undefined) throw new Error(`no assets at ${candidates.join(' or ')}`);
  return {
    style: asset(folder, 'pages.css', 'text/css; charset=utf-8'),
    script: asset(folder, 'pages.js', 'text/javascript; charset=utf-8'),
  };
}

function asset(folder: string, name: string, type: string): Asset {
  const content = readFileSync(`${folder}/${name}`, 'utf8');
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 12);
  return { address: `/assets/${name.replace('.', `-${digest}.`)}`, content, type };
}

export function addressesOf({ style, script }: Assets): Record<keyof Assets, string> {
  return { style: style.address, script: script.address };
}

export function assetsRoute(assets: Assets): Hono {
  const app = new Hono();
  for (const { address, content, type } of Object.values(assets))
    app.get(address, (c) =>
      c.body(content, 200, {
        'Content-Type': type,
        'Cache-Control': 'public, max-age=31536000, immutable',
      }),
    );
  return app;
}
