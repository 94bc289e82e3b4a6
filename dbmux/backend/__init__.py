"""The servers behind DbMux: reaching them, logging in, counting connections, knowing whether they are up."""
