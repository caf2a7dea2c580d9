// The name under which PostgreSQL knows a time zone. Pure.

/** Postgres reads a bare offset with the opposite sign: as hours west of Greenwich. */
export function postgresZone(timezone: string): string {
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(timezone);
  if (!offset) return timezone;
  const [, sign, hours, minutes = '00'] = offset;
  return `<${sign}${hours}:${minutes}>${sign === '+' ? '-' : '+'}${hours}:${minutes}`;
}
