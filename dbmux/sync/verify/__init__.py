"""Whether the rows of two servers are the same, and which are not."""
