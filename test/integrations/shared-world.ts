// The world of on-a-world.test.ts: one server, and one past that is lived through once.
import { reportingWorld, type ReportingWorld } from '../support/world/reporting-world.ts';

let world: Promise<ReportingWorld> | undefined;

export function sharedWorld(): Promise<ReportingWorld> {
  return (world ??= reportingWorld());
}
