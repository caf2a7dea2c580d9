// Settings of one transaction. Citus repeats a SET on its nodes, but sends the text of the whole query that held it.
// Other statements in that text would run there as well. Inside DO, the text is only the SET. Not set_config(), which
// never reaches the nodes.

/**
 * With this among the settings, the settings after it also hold on the nodes of Citus. Without Citus, it has no effect.
 */
export const REACH_WORKERS = "citus.propagate_set_commands = 'local'";

/** One statement that applies all `settings`, such as "jit = off", until the transaction ends. */
export function setLocal(...settings: readonly string[]): string {
  return `do $set$ begin ${settings.map((setting) => `set local ${setting};`).join(' ')} end $set$`;
}
