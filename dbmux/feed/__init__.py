"""What anyone who looks at a running engine can see and ask."""
