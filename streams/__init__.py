"""What flows: the Faust app, its agents, batching, tables and the command line."""
