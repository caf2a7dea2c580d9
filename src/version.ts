// The version that logs, the User-Agent and `--version` name. The bundler puts it in; from source it is "dev".
declare const ZT_RISK_SYNC_VERSION: string | undefined;

export const VERSION = typeof ZT_RISK_SYNC_VERSION === 'string' ? ZT_RISK_SYNC_VERSION : '0.0.0-dev';
