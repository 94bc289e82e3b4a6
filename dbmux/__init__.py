"""DbMux: a reverse proxy and multiplexer for MySQL. Start reading at docs/life-of-a-query.md."""
