-- Levels are text: without this view, tools would sort them alphabetically.
CREATE OR REPLACE VIEW risk_bi.risk_levels WITH (security_invoker = true) AS
SELECT v.level, v.rank, v.label
  FROM (VALUES ('low', 1, 'Low'), ('medium', 2, 'Medium'), ('high', 3, 'High')) AS v (level, rank, label);

COMMENT ON VIEW risk_bi.risk_levels IS 'The levels with their order and a name for display.';
COMMENT ON COLUMN risk_bi.risk_levels.level IS 'low, medium or high, as in all other views.';
COMMENT ON COLUMN risk_bi.risk_levels.rank IS 'For sorting: 1 low, 2 medium, 3 high.';
COMMENT ON COLUMN risk_bi.risk_levels.label IS 'The level for display.';
