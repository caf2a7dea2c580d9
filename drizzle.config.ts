import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/db/schema.ts',
  out: './migrations',
  schemaFilter: ['risk', 'risk_internal', 'risk_bi'],
  migrations: { schema: 'risk_internal', table: 'migrations' },
});
