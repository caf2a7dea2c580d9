#!/bin/sh
# Makes the database user `grafana`: it may read what the role risk_reader may, and change nothing. Can be run again, for
# example after its password has changed. `zt-risk-sync migrate --roles` gives risk_reader its rights, before or after.
# The server comes from PGHOST, PGUSER and PGDATABASE; that user must be allowed to create roles.
set -eu
PGPASSWORD=$(cat /run/secrets/postgres_password)
export PGPASSWORD
# psql reads the new password itself, so that no list of processes shows it.
exec psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 <<'SQL'
\set password `cat /run/secrets/grafana_database_password`
set client_min_messages = warning;
begin;
select 'create role risk_reader nologin' where not exists (select from pg_roles where rolname = 'risk_reader') \gexec
select 'create role grafana login' where not exists (select from pg_roles where rolname = 'grafana') \gexec
alter role grafana login nosuperuser nocreatedb nocreaterole password :'password';
alter role grafana set default_transaction_read_only = on;
-- A dashboard that asks for too much must not hold up the worker. A member of a role does not inherit its settings.
alter role grafana set statement_timeout = '30s';
alter role grafana set idle_in_transaction_session_timeout = '1min';
alter role grafana set idle_session_timeout = '1h';
alter role grafana set jit = off;
grant risk_reader to grafana;
commit;
SQL
