// Loaded before every test file. `npm test` tries the same cases each time, so a red run comes from the change and not
// from chance. FC_SEED=random (or a number) tries others.
import fc from 'fast-check';

const seed = process.env['FC_SEED'] ?? '20261123';
fc.configureGlobal({
  ...(seed === 'random' ? {} : { seed: Number(seed) }),
  // FC_SHRINK=0 stops at the first case that fails: making it smaller takes minutes where a case is a history of runs.
  ...(process.env['FC_SHRINK'] === '0' ? { endOnFailure: true } : {}),
});
