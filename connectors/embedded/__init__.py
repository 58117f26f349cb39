"""Kafka, PostgreSQL and a schema registry as child processes: real servers for trying, developing and testing.

Nothing is installed on the machine: the JRE and PostgreSQL come as wheels, Kafka and Apicurio as pinned archives.
Everything binds to loopback only and keeps what it stores below one data directory.
"""
