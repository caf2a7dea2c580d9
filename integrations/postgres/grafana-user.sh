#!/bin/sh
# Makes the database user `grafana`. It may read what the role risk_reader may read, and change nothing. The script can
# run again, for example after a change of the password. `zt-risk-sync migrate --roles` gives risk_reader its rights,
# before or after this script. PGHOST, PGUSER and PGDATABASE name the server; PGUSER must be allowed to create roles.
set -eu
PGPASSWORD=$(cat /run/secrets/postgres_password)
export PGPASSWORD
# psql reads the new password itself, so no process list shows it.
exec psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 <<'SQL'
\set password `cat /run/secrets/grafana_database_password`
set client_min_messages = warning;
begin;
select 'create role risk_reader nologin' where not exists (select from pg_roles where rolname = 'risk_reader') \gexec
select 'create role grafana login' where not exists (select from pg_roles where rolname = 'grafana') \gexec
alter role grafana login nosuperuser nocreatedb nocreaterole password :'password';
alter role grafana set default_transaction_read_only = on;
-- A heavy dashboard must not slow the worker down. A member of a role does not inherit the settings of the role.
alter role grafana set statement_timeout = '30s';
alter role grafana set idle_in_transaction_session_timeout = '1min';
alter role grafana set idle_session_timeout = '1h';
alter role grafana set jit = off;
grant risk_reader to grafana;
commit;
SQL
