// Which of the configured accounts a command works on.
import { isAccountId, type Config } from '../../config.ts';
import { OperatorError } from '../../errors.ts';

/** Throws ACCOUNT_NOT_CONFIGURED (exit 64). */
export function chooseAccounts(config: Config, chosen: readonly string[]): readonly string[] {
  const configured = config.cloudflare.accountIds;
  if (chosen.length === 0) return configured;
  const wrong = chosen.find((id) => !isAccountId(id) || (configured.length > 0 && !configured.includes(id)));
  if (wrong === undefined) return [...new Set(chosen)];
  throw new OperatorError({
    code: 'ACCOUNT_NOT_CONFIGURED',
    happened: isAccountId(wrong)
      ? `Account ${wrong} is not in CLOUDFLARE_ACCOUNT_ID`
      : '--account is not an account id',
    means: 'Nothing was started: --account selects from the configured accounts',
    todo: 'Give an id from CLOUDFLARE_ACCOUNT_ID, or add this one to it',
  });
}
