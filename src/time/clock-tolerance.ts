// How far apart two clocks may be before their times are not believed: the database's and this host's, and the
// database's and the newest snapshot's. NTP keeps clocks within a second. Five minutes leave room for a machine that
// has just woken.
export const CLOCK_TOLERANCE_MS = 300_000;
