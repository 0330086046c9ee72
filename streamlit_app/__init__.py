"""Where people judge."""
