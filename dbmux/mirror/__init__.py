"""A second server of another version: fed with all that is written, compared with the first, and judged."""
