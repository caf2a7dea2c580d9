// Loaded before every test file: `npm test` tries the same cases each time, so that a red run is about the change and not
// about luck. FC_SEED=random (or a number) explores others.
import fc from 'fast-check';

const seed = process.env['FC_SEED'] ?? '20261123';
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) });
