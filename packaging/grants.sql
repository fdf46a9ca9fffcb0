-- The role that pgcurfew connects with, with the least that it needs. Run it once per server (not per database),
-- as a superuser:
--
--   psql -X -f grants.sql postgres
--
-- Roles are copied to the standbys: run it on the primary only.

-- No password here, so that none ends in a shell history or a server log. Use `peer` on the server's own machine,
-- a certificate, or `\password pgcurfew` in psql and a pgpass file.
CREATE ROLE pgcurfew LOGIN
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
  INHERIT;  -- without it, servers from 15 on hide the columns below in spite of the grants

-- To see sessions of others: without it, state, query and all times are NULL and no rule would ever match.
GRANT pg_read_all_stats TO pgcurfew;

-- To cancel and terminate sessions of others. It does not cover sessions of superusers: only a superuser
-- can end these, and pgcurfew reports them as denied.
GRANT pg_signal_backend TO pgcurfew;

-- PostgreSQL 16 and later: a slot is kept free for the role, so that pgcurfew gets in when the application has
-- taken all others, the moment it is needed most. Set `reserved_connections = 3` in postgresql.conf (this takes
-- a restart), then:
--
--   GRANT pg_use_reserved_connections TO pgcurfew;
--
-- Up to 15 there is no such thing. There, what helps is that pgcurfew holds its connection from the start: start it
-- before the application.

-- PostgreSQL 18 and later: only if a rule names `backend_type: autovacuum worker`:
--
--   GRANT pg_signal_autovacuum_worker TO pgcurfew;
