/** The views of risk_bi with days or hours. Each has a function that takes the time zone: the same name, and `_in`. */
export const ZONED_VIEWS = [
  'risk_level_hourly',
  'risk_level_daily',
  'risk_level_weekly',
  'risk_level_monthly',
  'level_transitions_daily',
  'activity_daily',
  'sync_coverage',
];
