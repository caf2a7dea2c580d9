// The figures of all pages, on one world: making it takes longer than asking.
import './figures/overview.ts';
import './figures/people.ts';
import './figures/response.ts';
import './figures/runs.ts';
