// Settings of one transaction. Citus repeats a SET on its nodes, but as the text of the whole query that it came in: the
// statements behind it in that text would run there as well. Inside DO, the text is the SET alone. Not set_config(),
// which never reaches the nodes.

/** With this among the settings, those that follow also hold on the nodes of Citus. Elsewhere, nobody reads it. */
export const REACH_WORKERS = "citus.propagate_set_commands = 'local'";

/** One statement that makes all `settings`, such as "jit = off", until the transaction ends. */
export function setLocal(...settings: readonly string[]): string {
  return `do $set$ begin ${settings.map((setting) => `set local ${setting};`).join(' ')} end $set$`;
}
