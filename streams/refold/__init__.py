"""The journal folded again, by the very fold of the rating agent, and compared with what was issued."""
