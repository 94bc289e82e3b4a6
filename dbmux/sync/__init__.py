"""Data on two servers: described, compared, brought together."""
