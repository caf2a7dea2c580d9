// The migrations must be what schema.ts asks for: `drizzle-kit check` alone does not notice a schema that has moved on, so
// `generate` must leave no new file either.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';

// Inside the checkout, because drizzle-kit takes paths from there only.
const folder = mkdtempSync('.migrations-check-');
try {
  cpSync('migrations', folder, { recursive: true });
  const before = readdirSync(folder).length;
  const kit = (...args: string[]) =>
    execFileSync('drizzle-kit', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const config = ['--dialect', 'postgresql', '--out', folder];
  kit('check', ...config);
  kit('generate', '--schema', path.join('src', 'db', 'schema.ts'), ...config);
  if (readdirSync(folder).length !== before) {
    process.stderr.write(
      'src/db/schema.ts asks for a migration that is not there: run `npm run db:generate`, read the SQL, commit both\n',
    );
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
