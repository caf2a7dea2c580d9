// `npm run db:views`: writes the changes of src/db/views into the migrations.
import { readViewFiles } from './migrations/view-files.ts';
import { writeViewMigration } from './migrations/view-migration.ts';

process.stdout.write(`${writeViewMigration('migrations', readViewFiles('src/db/views'))}\n`);
