"""Every shape that crosses a process boundary of Candlewick, and what makes it true."""
