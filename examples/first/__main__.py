"""Prints every invoice of the tenant `acme`: `python -m examples.first`, while `beaas up` runs."""

from zoneinfo import ZoneInfo

import psycopg
from rich.console import Console

from examples.show import invoice_panel, invoices
from streams.settings import load_settings

BERLIN = ZoneInfo("Europe/Berlin")

with psycopg.connect(load_settings().postgres_url.get_secret_value()) as connection:
    for invoice in invoices(connection):
        if invoice.tenant == "acme":
            Console(width=88).print(invoice_panel(connection, invoice, {"c-17": "Ada's Analytics"}, BERLIN))
