"""A real year of flights, billed end to end."""
