"""The community desk: people's judgements of findings, appended, never merged into one label."""
