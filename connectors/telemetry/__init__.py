"""How a role is watched: logs, metrics, liveness and readiness."""
