// What tools ask, on a world that the oracle knows: the dbt package, the panels of Grafana, and the questions in SQL.
// Each part registers its own tests. They share the world, because making it takes longer than asking it.
import { after } from 'node:test';
import { sharedWorld } from './shared-world.ts';
import './dbt-package.ts';
import './grafana-panels.ts';
import './questions.ts';

after(async () => (await sharedWorld()).close());
