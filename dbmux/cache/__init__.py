"""The query cache's memory: tables with epochs, entries, and which entry goes when room is needed."""
