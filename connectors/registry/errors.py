"""What goes wrong with the registry.

RegistryError              the text says why and what to do
├── RegistryUnavailable    it does not answer, or not as a registry does: try again later (exit status 3)
├── SchemasMissing         ours are not registered
└── SchemaRefused          a registered version is not compatible with ours
"""


class RegistryError(Exception):
    """The root of what goes wrong with the registry."""


class RegistryUnavailable(RegistryError):
    """The registry does not answer in time, or answers with a failure of its own."""


class SchemasMissing(RegistryError):
    """Schemas of ours are not registered: run `beaas schemas register`."""


class SchemaRefused(RegistryError):
    """A schema can't become the next version of its subject, since records would become unreadable or misread."""
