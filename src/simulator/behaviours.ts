// The risk behaviours that the simulated account has enabled, and how often each of them occurs.
import type { RiskLevel } from '../user-risk.ts';

export type Behaviour = { id: string; name: string; risk_level: RiskLevel };

const table: readonly (Behaviour & { perThousand: number })[] = [
  { id: 'unusual_hours', name: 'Sign-in at unusual hours', risk_level: 'low', perThousand: 380 },
  { id: 'new_device', name: 'Sign-in from a new device', risk_level: 'low', perThousand: 330 },
  { id: 'dlp', name: 'Data loss prevention policy violated', risk_level: 'low', perThousand: 267 },
  { id: 'imp_travel', name: 'Impossible travel', risk_level: 'medium', perThousand: 10 },
  { id: 'high_dlp', name: 'High number of DLP violations', risk_level: 'medium', perThousand: 8 },
  { id: 'high_risk_sign_in', name: 'High-risk sign-in', risk_level: 'high', perThousand: 3 },
  { id: 'sentinel_one', name: 'SentinelOne threat detected on device', risk_level: 'high', perThousand: 2 },
];

/** The behaviour of users who fall for the phishing campaign. */
export const PHISHED: Behaviour = {
  id: 'phished',
  name: 'Credentials entered on a phishing page',
  risk_level: 'high',
};

export const BEHAVIOURS: readonly Behaviour[] = [
  ...table.map(({ id, name, risk_level }) => ({ id, name, risk_level })),
  PHISHED,
];

/** `choice` is at least 0 and below 1. */
export function pickBehaviour(choice: number): Behaviour {
  let left = choice * 1000;
  // The shares of all add up to a thousand.
  return table.find(({ perThousand }) => (left -= perThousand) < 0)!;
}
