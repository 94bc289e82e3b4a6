"""A checker for the query cache: clients that read and write at random, and a judge of what they saw."""
