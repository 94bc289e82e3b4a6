"""Command to plan."""
