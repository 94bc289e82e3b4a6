"""Statements in files: the query log and the slow log, as `log` configures them. docs/query-log.md describes them."""
