"""What is true about money: pure functions and state, no I/O, no clock, no randomness."""
