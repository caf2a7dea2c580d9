// The version in logs, in the User-Agent and in `--version`. The bundler inserts it; from source it is "0.0.0-dev".
declare const ZT_RISK_SYNC_VERSION: string | undefined;

export const VERSION = typeof ZT_RISK_SYNC_VERSION === 'string' ? ZT_RISK_SYNC_VERSION : '0.0.0-dev';
