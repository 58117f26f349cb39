"""The account machine: the bill as a fold of one account's journal.

`Account` takes entries and says what there is to say; whoever reads it knows how billing works here. Below it, in
the order of reading: `commands` (which command, and is it allowed), `moves` (what each makes of a subscription),
`counting` (usage), `subscribed` (where a subscription stands), `addenda` with `fees`, `charges`, `coupons` and
`commitments`, `timeline` and `window` (where usage belongs), `cell` (what one price measures), `levels`, `draft` and
`lines`, `tariff`, and what is stored: `books`, `items`, `frontier`, `parking`, `identity`.
"""

from billing.account.identity import VOIDED, Seen, SeenInMemory, counted_at, id_key, usage_digest, usage_key
from billing.account.items import HEAD, LoadItem
from billing.account.machine import USAGE_WINDOW_US, Account, Changes

__all__ = [
    "HEAD",
    "USAGE_WINDOW_US",
    "VOIDED",
    "Account",
    "Changes",
    "LoadItem",
    "Seen",
    "SeenInMemory",
    "counted_at",
    "id_key",
    "usage_digest",
    "usage_key",
]
