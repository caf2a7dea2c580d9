#!/bin/sh
# Makes the secret files that docker-compose.yml mounts, in ./secrets or in the given folder. Keeps existing files.
#   CLOUDFLARE_API_TOKEN=... sh integrations/compose/make-secrets.sh [folder]
# PING_URL=... adds a monitor. HTTP_PII_TOKEN=... (and HTTP_SHOW_IDENTITIES=1 in .env) shows emails and names in the
# dashboard to who signs in with it. Without them, the files ping_url and http_pii_token are empty, which counts as unset.
set -eu
folder=${1:-secrets}
mkdir -p "$folder"
# Compose mounts a file with the owner and mode that it has on the host. The programs in the containers run as other
# users (1000, 999, 472). So everybody may read the files, and the folder keeps other users of the host out.
chmod 700 "$folder"

put() {
  [ -s "$folder/$1" ] || printf '%s' "$2" >"$folder/$1"
  chmod 644 "$folder/$1"
}
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

put postgres_password "$(random)"
put http_token "$(random)"
put grafana_database_password "$(random)"
put grafana_admin_password "$(random)"
put database_url "postgres://zt_risk_sync:$(cat "$folder/postgres_password")@postgres:5432/zt_risk_sync"
put cloudflare_api_token "${CLOUDFLARE_API_TOKEN:-}"
put http_pii_token "${HTTP_PII_TOKEN:-}"
put ping_url "${PING_URL:-}"
[ -s "$folder/cloudflare_api_token" ] || echo "Now put the API token into $folder/cloudflare_api_token" >&2
