"""Following the binary logs of servers."""
