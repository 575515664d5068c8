"""What makes ticks, marks and statuses of quotes: pure, time is an argument (epoch milliseconds)."""
