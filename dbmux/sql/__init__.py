"""What statements mean, as far as their words tell: what they do to the session, and what they touch."""
