"""Billing conformance: reads cases of the norm's format, runs them in process, and says where an outcome differs.

`run_files` is what the command line calls; `read_file`, `Scenario` and `compare` serve who runs scenarios elsewhere.
"""

from streams.conformance.case import InvalidCase, Scenario, read_file
from streams.conformance.compare import IssuedInvoice, IssuedLine, compare
from streams.conformance.run import Result, Results, run_files

__all__ = [
    "InvalidCase",
    "IssuedInvoice",
    "IssuedLine",
    "Result",
    "Results",
    "Scenario",
    "compare",
    "read_file",
    "run_files",
]
