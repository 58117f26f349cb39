"""What a service refuses; nothing has changed then."""

from billing.errors import BillingError, Disposition


class Unknown(BillingError):
    """There is no such tenant, customer, plan or subscription; the text names it."""

    disposition = Disposition.REJECT


class Conflict(BillingError):
    """What exists already is not what is asked for, and can't become it; the text names both."""

    disposition = Disposition.REJECT
