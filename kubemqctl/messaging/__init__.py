"""What the messaging commands do."""
