"""Statements that sessions of the tests are in the midst of."""

SLEEP = "select pg_sleep(600)"
# Takes a cancel for no reason to end; nor one more that comes while it deals with the one before.
SWALLOWER = """do $$ begin
                 loop
                   begin
                     loop
                       begin perform pg_sleep(600); exception when query_canceled then null; end;
                     end loop;
                   exception when query_canceled then null; end;
                 end loop;
               end $$"""
