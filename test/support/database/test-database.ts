// A separate database for each test file or test.
import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { databaseUrl } from '../../../src/db/create-database.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createPool } from '../../../src/db/pool.ts';
import { CITUS_URL, cloneOnNodes, dropOnNodes, makeDistributedTemplate } from './distributed-database.ts';

export type TestDatabase = { url: string; drop(): Promise<void> };

// Any number that nothing else in the admin's database uses: 'ztrt' in ASCII.
const TEMPLATE_LOCK = 0x7a747274;

/** An empty database, made from template0. */
export function createTestDatabase(encoding = 'UTF8'): Promise<TestDatabase> {
  return asAdmin((admin) => createFrom(admin, 'template0', encoding));
}

/** A database with the schema: a copy of the run's template, which the first caller makes. */
export function cloneTemplate(): Promise<TestDatabase> {
  return asAdmin(async (admin) => {
    const template = templateName();
    await makeTemplate(admin, template);
    return CITUS_URL === '' ? createFrom(admin, template) : createOnNodes(template);
  });
}

/** At the end of a run. The template of a killed run stays, but no other run uses its name. */
export function dropTemplate(): Promise<void> {
  if (CITUS_URL !== '') return dropOnNodes(templateName());
  return asAdmin((admin) => dropDatabase(admin, templateName()));
}

/** For the environment of a run's test files. */
export function newTemplateName(): string {
  return `test_template_${process.pid}_${randomBytes(6).toString('hex')}`;
}

/** The run's template, or this process' own when there is no run. */
function templateName(): string {
  return (process.env['TEST_TEMPLATE'] ||= newTemplateName());
}

/**
 * A finished template accepts no connections: a server demands that of a template while it is copied. A template that
 * accepts them was left by a test file that was killed half way.
 */
async function makeTemplate(admin: Client, name: string): Promise<void> {
  await admin.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const ready = 'select from pg_database where datname = $1 and not datallowconn';
    if ((await admin.query(ready, [name])).rowCount === 1) return;
    if (CITUS_URL !== '') return await makeDistributedTemplate(name);
    await dropDatabase(admin, name);
    await admin.query(`create database ${escapeIdentifier(name)} encoding 'UTF8' template template0`);
    const pool = createPool({ url: databaseUrl(adminUrl(), name), max: 1, logger: { warn() {} } });
    try {
      await migrate(pool);
    } finally {
      await pool.end();
    }
    await admin.query(`alter database ${escapeIdentifier(name)} allow_connections false`);
  } finally {
    await admin.query('select pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

async function createOnNodes(template: string): Promise<TestDatabase> {
  const name = newName();
  await cloneOnNodes(template, name);
  return { url: databaseUrl(CITUS_URL, name), drop: () => dropOnNodes(name) };
}

const newName = () => `test_${process.pid}_${randomBytes(6).toString('hex')}`;

async function createFrom(admin: Client, template: string, encoding = 'UTF8'): Promise<TestDatabase> {
  const name = newName();
  const strategy = template === 'template0' ? '' : 'strategy file_copy';
  await admin.query(
    // The locale C fits every encoding.
    `create database ${name} encoding '${encoding}' ${encoding === 'UTF8' ? '' : `locale 'C'`} template ${escapeIdentifier(template)} ${strategy}`,
  );
  const url = adminUrl();
  return { url: databaseUrl(url, name), drop: () => asAdmin((again) => dropDatabase(again, name), url) };
}

async function dropDatabase(admin: Client, name: string): Promise<void> {
  await admin.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
}

async function asAdmin<T>(work: (admin: Client) => Promise<T>, url = adminUrl()): Promise<T> {
  const admin = new Client({ connectionString: url });
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function adminUrl(): string {
  const url = process.env['TEST_POSTGRES_URL'];
  if (!url)
    throw new Error(
      'no test server: run with --test-global-setup=test/support/global-setup.ts (npm test does)',
    );
  return url;
}
