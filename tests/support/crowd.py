"""Sessions that a server only shows: many connections are too heavy for a test."""


def show_a_crowd(server, number, application_name):
    """From now on the server's list of backends has `number` active sessions more, whose queries began one millisecond after the
    other. For a server of the test's own: its function is replaced."""
    arguments, = server.execute(
        "select proargnames, proallargtypes::regtype[]::text[] from pg_proc "
        "where oid = 'pg_catalog.pg_stat_get_activity'::regproc")
    columns = list(zip(*arguments))[1:]
    shown = {"pid": "1000000 + n", "datid": "(select oid from pg_database where datname = 'postgres')",
             "usesysid": "(select oid from pg_roles where rolname = 'app')", "state": "'active'",
             "application_name": f"'{application_name}'", "query": "'select 1'", "backend_type": "'client backend'",
             **{key: "began + n * interval '1 ms'"
                for key in ("backend_start", "xact_start", "query_start", "state_change")}}
    declared = ", ".join(["pid integer", *(f"out {name} {kind}" for name, kind in columns)])
    made_up = ", ".join(f"({shown.get(name, 'null')})::{kind}" for name, kind in columns)
    server.execute(f"create function true_activity({declared}) returns setof record "
                   "language internal stable as 'pg_stat_get_activity'")
    server.execute("create table crowd as select now() as began")
    server.execute("grant select on crowd to public")
    server.execute(f"create or replace function pg_catalog.pg_stat_get_activity({declared}) returns setof record "
                   f"language sql stable parallel restricted rows 100 as $$ "
                   f"select * from public.true_activity($1) union all "
                   f"select {made_up} from public.crowd, generate_series(1, {number}) n "
                   f"where $1 is null or $1 = 1000000 + n $$")
