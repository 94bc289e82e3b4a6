"""Questions from outside to a running engine."""
