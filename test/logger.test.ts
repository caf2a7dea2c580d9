import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { accountKeys } from '../src/db/schema.ts';
import { databaseError } from '../src/db/database-errors.ts';
import { OperatorError } from '../src/errors.ts';
import { createLogger, createScrubber, errorFields, rootCause, type Logger } from '../src/logger.ts';
import { migratedDatabase, type MigratedDatabase } from './support/database/migrated-database.ts';

const SECRET = 'p"a\\s s/w:rd+1\n€';

function capture(over: Partial<Parameters<typeof createLogger>[0]> = {}): { logger: Logger; text(): string } {
  let text = '';
  const logger = createLogger({
    level: 'info',
    secrets: [SECRET],
    pretty: false,
    destination: { write: (line) => (text += line) },
    ...over,
  });
  return { logger, text: () => text };
}

/** Every form in which a secret could be found in a line. */
function assertAbsent(text: string, secret: string): void {
  const forms = [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), encodeURI(secret)];
  for (const form of forms) assert.ok(!text.includes(form), `${JSON.stringify(form)} in ${text}`);
}

test('a line is JSON with level, time, message and the given fields', () => {
  const { logger, text } = capture();
  logger.child({ run_id: 7 }).warn({ pages: 3 }, 'walk is partial');
  const line = JSON.parse(text()) as Record<string, unknown>;
  assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  delete line['time'];
  assert.deepEqual(line, { level: 'warn', run_id: 7, pages: 3, message: 'walk is partial' });
});

test('the level decides which lines are written', () => {
  const { logger, text } = capture({ level: 'warn' });
  logger.info('no');
  logger.error('yes');
  assert.equal(text().trim().split('\n').length, 1);
});

for (const pretty of [false, true]) {
  describe(pretty ? 'on a terminal' : 'as JSON', () => {
    const cases: [where: string, write: (logger: Logger) => void][] = [
      ['in the message', (logger) => logger.info(`got ${SECRET} here`)],
      ['in a field', (logger) => logger.info({ token: SECRET }, 'm')],
      ['deep in a field', (logger) => logger.info({ a: { b: [`x${SECRET}y`] } }, 'm')],
      ['as the name of a field', (logger) => logger.info({ [SECRET]: 1 }, 'm')],
      ["in a child logger's fields", (logger) => logger.child({ url: `https://h/?t=${SECRET}` }).info('m')],
      [
        'encoded for a URL',
        (logger) => logger.info({ url: `https://h/?t=${encodeURIComponent(SECRET)}` }, 'm'),
      ],
      ['inside JSON inside a field', (logger) => logger.info({ body: JSON.stringify({ t: SECRET }) }, 'm')],
      ['in an error', (logger) => logger.error({ err: new Error(`refused ${SECRET}`) }, 'm')],
      [
        'in the cause of an error',
        (logger) => logger.error({ err: new Error('outer', { cause: new Error(`inner ${SECRET}`) }) }, 'm'),
      ],
      ['in an error without a message beside it', (logger) => logger.error(new Error(`refused ${SECRET}`))],
    ];
    for (const [where, write] of cases) {
      for (const level of ['info', 'debug']) {
        test(`a secret ${where} is not written at level ${level}`, () => {
          const { logger, text } = capture({ pretty, level });
          write(logger);
          assert.notEqual(text(), '');
          assertAbsent(text(), SECRET);
          assert.match(text(), /\[secret\]/);
        });
      }
    }
  });
}

test('leaves no rest of two secrets when one begins with the other', () => {
  assert.equal(createScrubber(['abcd', 'abcdefgh'])('abcdefgh abcd'), '[secret] [secret]');
  assert.equal(createScrubber(['abcdefgh', 'abcd'])('abcdefgh abcd'), '[secret] [secret]');
});

test('scrubs a secret that becomes known later, also in loggers that were made before', () => {
  const secrets = new Set(['first']);
  const { logger, text } = capture({ secrets });
  const child = logger.child({ run_id: 7 });
  secrets.add('second');
  child.info({ err: new Error('refused second') }, 'first and second');
  assert.match(text(), /"message":"\[secret\] and \[secret\]"/);
  assert.doesNotMatch(text(), /first|second/);
});

test('a line for people is one line, whatever its values hold', () => {
  const { logger, text } = capture({ pretty: true });
  const hostile = 'a\n00:00:00 error forged\r\u001b[2J\u009b31m\u202e';
  logger.info({ run_id: 7, reason: hostile, list: [hostile] }, `message ${hostile}`);
  assert.equal(text().match(/\n/g)?.length, 1, JSON.stringify(text()));
  assert.doesNotMatch(text().trimEnd(), /[\u0000-\u001f\u007f-\u009f\u202e]/);
  assert.match(text(), /^\d\d:\d\d:\d\d info {2}message .* {2}run_id=7 /);
});

describe('errors', () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  const EMAIL = 'ada.lovelace@example.com';
  const failing = async (work: () => Promise<unknown>): Promise<Error> => {
    const error = await work().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof Error);
    return error;
  };

  const duplicate = () =>
    failing(async () => {
      await drizzle(db.pool).insert(accountKeys).values({ account_id: EMAIL }).onConflictDoNothing();
      await drizzle(db.pool).insert(accountKeys).values({ account_id: EMAIL });
    });
  const failures: [title: string, make: () => Promise<Error>, code: string][] = [
    ['a unique violation with the key in its detail', duplicate, '23505'],
    [
      'an invalid value that the message quotes',
      () => failing(() => drizzle(db.pool).execute(sql`select ${EMAIL}::uuid`)),
      '22P02',
    ],
    [
      'an invalid value of several lines, which the message quotes',
      () => failing(() => drizzle(db.pool).execute(sql`select ${`x\n${EMAIL}\n    at ${EMAIL} y`}::uuid`)),
      '22P02',
    ],
    [
      'an exception with message, detail and hint',
      () =>
        failing(() =>
          db.pool.query(
            `do $$ begin raise exception '${EMAIL}' using detail = '${EMAIL}', hint = '${EMAIL}', errcode = '23514'; end $$`,
          ),
        ),
      '23514',
    ],
  ];

  for (const [title, make, code] of failures) {
    for (const level of ['info', 'debug']) {
      for (const pretty of [false, true]) {
        test(`${title}: no address is written at level ${level}${pretty ? ' on a terminal' : ''}`, async () => {
          const error = await make();
          // If the error did not hold the address, the test would prove nothing.
          const known =
            JSON.stringify([error.message, error.cause, Object.entries(error)]) + String(rootCause(error));
          assert.ok(known.includes(EMAIL), known);
          const { logger, text } = capture({ level, pretty });
          logger.error({ err: error }, 'it failed');
          logger.error({ err: new Error('outer', { cause: error }) }, 'it failed');
          logger.error(error);
          logger.error({ err: error });
          logger.error({ err: databaseError(error) }, 'it failed');
          assert.equal(text().trim().split('\n').length, 5);
          assert.ok(!text().includes(EMAIL), text());
          assert.ok(!text().includes('ada.lovelace'), text());
          assert.ok(text().includes(code), text());
        });
      }
    }
  }

  test('the code, the table and the constraint of a database error are kept', async () => {
    assert.deepEqual(errorFields(await duplicate()), {
      type: 'error',
      code: '23505',
      table: 'account_keys',
      constraint: 'account_keys_account_id_unique',
    });
  });

  test('a stack is written only at level debug and below', async () => {
    for (const [level, expected] of [
      ['trace', true],
      ['debug', true],
      ['info', false],
    ] as const) {
      const { logger, text } = capture({ level });
      logger.error({ err: new Error('plain') }, 'it failed');
      const { err } = JSON.parse(text()) as { err: { stack?: string; message: string } };
      assert.equal(err.message, 'plain');
      assert.equal(err.stack !== undefined, expected, level);
      if (expected) assert.match(err.stack ?? '', /logger\.test\.ts/);
    }
  });
});

test('an OperatorError is logged by its own text, and its causes are not quoted', () => {
  const error = new OperatorError({
    code: 'DATABASE_BUSY',
    happened: 'Waited',
    means: 'Nothing',
    todo: 'Wait',
    cause: new Error('ada@example.com'),
  });
  assert.equal(rootCause(error), error);
  const { logger, text } = capture();
  logger.error({ err: error }, 'it failed');
  assert.deepEqual((JSON.parse(text()) as { err: unknown }).err, {
    type: 'OperatorError',
    code: 'DATABASE_BUSY',
    message: 'Waited. Nothing. Wait.',
  });
});

test('a thrown value that is not an error is not quoted', () => {
  for (const thrown of ['ada@example.com', { email: 'ada@example.com' }, null, undefined, 7]) {
    const { logger, text } = capture();
    logger.error({ err: thrown }, 'it failed');
    assert.ok(!text().includes('ada'), text());
  }
});
