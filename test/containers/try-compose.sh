#!/usr/bin/env bash
# Runs docker-compose.yml against the simulator, which serves 200,000 users in one answer: image, health, first sync within
# the memory limit, metrics, read-only file system, orderly stop. Needs a container engine, compose and curl. Takes two
# minutes, and leaves only the image behind. COMPOSE_FILE may add files.
set -euo pipefail
cd "$(dirname "$0")/../.."

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose --env-file integrations/compose/simulator.env "$@"
  else docker-compose --env-file integrations/compose/simulator.env "$@"; fi
}
inspect() { docker inspect --format "$1" "$worker"; }
fail() { echo "FAILED: $*" >&2; compose logs --tail=30 worker >&2; exit 1; }
expect() { [ "$2" = "$3" ] && echo "ok  $1: $2" || fail "$1: $2, and not $3"; }
until_true() { # until_true SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@"; do [ $SECONDS -lt $end ] || fail "$what"; sleep 1; done
  echo "ok  $what"
}
status_of() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
sql() { compose exec -T postgres psql -U zt_risk_sync -d zt_risk_sync -Atc "$1"; }

export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.yml}:test/containers/large-account.yml
work=$(mktemp -d)
export COMPOSE_PROJECT_NAME=zt-risk-sync-try SECRETS_DIR=$work/secrets WORKER_PORT=${WORKER_PORT:-18787} POSTGRES_PORT=${POSTGRES_PORT:-15432}
trap 'compose --profile bi down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1; rm -rf "$work"' EXIT
url=http://127.0.0.1:$WORKER_PORT
# A strict umask and a separate user: the containers must still be able to read the secrets.
(umask 077 && CLOUDFLARE_API_TOKEN=simulated-token sh integrations/compose/make-secrets.sh "$SECRETS_DIR")
token=$(cat "$SECRETS_DIR/http_token")

compose up -d --build >"$work/up.log" 2>&1 || { tail -20 "$work/up.log" >&2; exit 1; }
worker=$(compose ps -q worker)

is_healthy() { [ "$(inspect '{{.State.Health.Status}}')" = healthy ]; }
until_true 90 'the worker becomes healthy' is_healthy
is_synced() { [ "$(sql 'select count(*) > 0 from risk.snapshots' 2>/dev/null)" = t ]; }
until_true 300 'the first sync is done without being asked' is_synced
expect 'verdict and users of the first snapshot' "$(sql "select verdict || ' ' || (user_count > 150000) from risk.snapshots order by snapshot_id limit 1")" 'complete true'

expect 'memory limit, killed for memory, restarts' "$(inspect '{{.HostConfig.Memory}} {{.State.OOMKilled}} {{.RestartCount}}')" '268435456 false 0'
echo "    $(sql "select users_met || ' users in ' || pages || ' pages, ' || bytes || ' bytes' from risk.sync_runs where snapshot_id is not null order by run_id limit 1")"

expect '/livez' "$(status_of "$url/livez")" 200
expect '/readyz' "$(status_of "$url/readyz")" 200
expect '/metrics without a token' "$(status_of "$url/metrics")" 401
expect '/metrics with the token' "$(status_of -H "Authorization: Bearer $token" "$url/metrics")" 200
expect 'POST /sync without a token' "$(status_of -X POST "$url/sync")" 401

expect 'user' "$(compose exec -T worker id -u)" 1000
expect 'read-only root' "$(inspect '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}')" 'true [ALL]'
for place in /app/x /tmp/x /home/node/x; do
  if compose exec -T worker sh -c "echo >$place" 2>/dev/null; then fail "$place can be written"; fi
done
echo 'ok  nothing can be written'
for secret in "$token" simulated-token "$(cat "$SECRETS_DIR/postgres_password")"; do
  if { inspect '{{json .Config}}' && compose logs worker; } | grep -qF "$secret"; then fail 'a secret is in the configuration or the logs'; fi
done
echo 'ok  no secret in the configuration or the logs'
echo "    memory $(docker exec "$worker" sh -c 'grep -E "Vm(RSS|HWM)" /proc/1/status' | tr -s '\t\n ' ' '), image $(docker image inspect --format '{{.Size}}' zt-risk-sync) bytes"

# The profile bi without Grafana itself: the roles, Grafana's user, and what that user may read.
compose --profile bi up -d grafana-user >"$work/bi.log" 2>&1 || { tail -20 "$work/bi.log" >&2; fail 'profile bi'; }
as_grafana() {
  compose --profile bi run --rm --no-deps -e PGUSER=grafana -e PGPASSWORD="$(cat "$SECRETS_DIR/grafana_database_password")" grafana-user \
    psql -Atc "$1" 2>&1 </dev/null | tr -d '\r' | grep -v '^Creating'
}
can_read() { [ "$(as_grafana 'select count(*) > 2 from risk_bi.risk_level_by_snapshot')" = t ]; }
until_true 30 "Grafana's user can read what the dashboards show" can_read
for statement in 'select email from risk.user_identities' 'delete from risk.snapshots' 'create table risk_bi.x ()'; do
  answer=$(as_grafana "$statement" || true)
  case $answer in ERROR*) echo "ok  and cannot: $statement ($(echo "${answer#ERROR:  }" | head -1))" ;; *) fail "Grafana's user can: $statement" ;; esac
done

began=$(date +%s%N)
docker stop --time 45 "$worker" >/dev/null
echo "    docker stop took $((($(date +%s%N) - began) / 1000000)) ms"
expect 'exit code after docker stop' "$(inspect '{{.State.ExitCode}}')" 0
expect 'leases that are left' "$(sql 'select count(*) from risk_internal.leases')" 0
docker start "$worker" >/dev/null
until_true 90 'the worker becomes healthy again' is_healthy
