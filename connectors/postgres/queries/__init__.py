"""Typed functions of the statements in ../sql, written by tools/generate_queries.py."""
