"""Dead letters back to where usage enters, after a fix: each exactly once, whatever crashes meanwhile.

A batch of letters goes back in one Kafka transaction with a marker for each, on the letters' own topic. Whoever begins
later fences whoever runs, then reads the markers to the topic's end, and leaves out what has one.
"""
