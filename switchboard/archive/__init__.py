"""What becomes of recordings after their calls: told when they are complete, deleted when they are old."""
