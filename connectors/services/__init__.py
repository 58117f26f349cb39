"""The control plane: every change of a tenant's catalogue, customers and subscriptions.

Each service takes an open unit of work, so a caller may add rows of its own (an idempotency key) to the transaction.
Repeating one is harmless. `now` is always the real clock; a tenant on a test clock lives by that.
"""
