// What a query runs on: the pool, where each statement is independent, or a transaction, where all statements see one
// snapshot of the database.
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from './pool.ts';
import type { Transaction } from './transaction.ts';

export type Db = Pool | Transaction;

export function on(db: Db): Transaction {
  return 'execute' in db ? db : drizzle(db);
}
