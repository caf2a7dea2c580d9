-- Levels are text: without it, tools would sort them by the alphabet.
CREATE OR REPLACE VIEW risk_bi.risk_levels WITH (security_invoker = true) AS
SELECT v.level, v.rank, v.label
  FROM (VALUES ('low', 1, 'Low'), ('medium', 2, 'Medium'), ('high', 3, 'High')) AS v (level, rank, label);

COMMENT ON VIEW risk_bi.risk_levels IS 'The levels with their order and a name for display.';
COMMENT ON COLUMN risk_bi.risk_levels.level IS 'low, medium or high, as every other view has it.';
COMMENT ON COLUMN risk_bi.risk_levels.rank IS '1 low, 2 medium, 3 high: to sort by.';
COMMENT ON COLUMN risk_bi.risk_levels.label IS 'The level for display.';
