"""What people read: the PDF, built from a run folder alone."""
