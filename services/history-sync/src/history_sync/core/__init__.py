"""What history-sync decides without I/O or a clock."""
