"""Wire to domain and back: the one place that knows both."""

from schemas.convert.invoices import invoice_from_domain, invoice_posted, postings_from_domain
from schemas.convert.journal import entry_from_domain, entry_to_domain, usage_from_domain, usage_to_domain
from schemas.convert.statements import statement_from_domain, statement_to_domain, total_from_domain
from schemas.convert.terms import definitions, definitions_text

__all__ = [
    "definitions",
    "definitions_text",
    "entry_from_domain",
    "entry_to_domain",
    "invoice_from_domain",
    "invoice_posted",
    "postings_from_domain",
    "statement_from_domain",
    "statement_to_domain",
    "total_from_domain",
    "usage_from_domain",
    "usage_to_domain",
]
